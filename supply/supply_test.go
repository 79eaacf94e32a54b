package supply

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFindLooksInOrder(t *testing.T) {
	root := t.TempDir()
	exe, cache := filepath.Join(root, "bin", "repartee"), filepath.Join(root, "cache")
	put := func(path string) string {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := func(want, problem string) {
		t.Helper()
		got, err := find(Phonemizer, exe, cache)
		if got != want || err == nil != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Fatalf("find = %q, %v; want %q, error with %q", got, err, want, problem)
		}
	}
	t.Setenv("REPARTEE_PHONEMIZER", "")
	f("", `run "make fetch"`)
	inCache := put(filepath.Join(cache, "native/current/bin/repartee-phonemize"))
	f(inCache, "")
	lib := put(filepath.Join(root, "lib/repartee/repartee-phonemize"))
	f(lib, "")
	beside := put(filepath.Join(root, "bin/repartee-phonemize"))
	f(beside, "")
	own := put(filepath.Join(root, "own"))
	t.Setenv("REPARTEE_PHONEMIZER", own)
	f(own, "")
	t.Setenv("REPARTEE_PHONEMIZER", own+"-missing")
	f("", "REPARTEE_PHONEMIZER points to")
	if _, err := find(ONNXRuntimeGPU, exe, cache); err == nil || !strings.Contains(err.Error(), `run "third_party/fetch.py onnxruntime-gpu"`) {
		t.Fatalf("find(ONNXRuntimeGPU) = %v, want the command that fetches it", err)
	}
	if _, err := find("nothing", exe, cache); err == nil {
		t.Fatal(`find("nothing") = nil error, want one`)
	}
}

func TestDir(t *testing.T) {
	f := func(own, xdg, home, want string) {
		t.Helper()
		t.Setenv("REPARTEE_CACHE", own)
		t.Setenv("XDG_CACHE_HOME", xdg)
		t.Setenv("HOME", home)
		if got := Dir(); got != want {
			t.Fatalf("Dir() = %q, want %q", got, want)
		}
	}
	f("/a", "/b", "/c", "/a")
	f("", "/b", "/c", "/b/repartee")
	f("", "", "/c", "/c/.cache/repartee")
}
