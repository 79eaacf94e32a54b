//go:build cgo

package gpu

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stubLibrary compiles an empty shared library of the given soname that needs
// others.
func stubLibrary(t *testing.T, dir, soname string, needs ...string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler")
	}
	path := filepath.Join(dir, soname)
	args := []string{"-shared", "-fPIC", "-x", "c", "/dev/null", "-o", path, "-Wl,-soname," + soname, "-Wl,--no-as-needed", "-L" + dir}
	for _, n := range needs {
		args = append(args, "-l:"+n)
	}
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("cc %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return path
}

// The chain that a machine with CUDA has, of empty libraries: whatever is taken
// away is named, and nothing else.
func TestSpeechCUDANamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	var names []string
	for _, l := range cudaNames {
		stubLibrary(t, dir, l.Name, names...)
		names = append(names, l.Name)
	}
	runtime := filepath.Join(t.TempDir(), "libonnxruntime.so.1")
	stubLibrary(t, filepath.Dir(runtime), "libonnxruntime_providers_shared.so")
	find := func() []Library { return librariesIn([]string{dir}, nil) }
	f := func(want ...string) {
		t.Helper()
		err := speechCUDA(runtime, find())
		if len(want) == 0 {
			if err != nil {
				t.Errorf("speechCUDA = %v, want nil", err)
			}
			return
		}
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("speechCUDA = %v, want an error with %q", err, w)
			}
		}
		for _, l := range cudaNames {
			if err != nil && strings.Contains(err.Error(), l.Name+" (") && !slices.Contains(want, l.Name) {
				t.Errorf("speechCUDA names %s, which is there: %v", l.Name, err)
			}
		}
	}
	f("libonnxruntime_providers_cuda.so", "onnxruntime-gpu")
	// The provider needs all but cuDNN, which it opens itself.
	for _, n := range names {
		if err := os.Link(filepath.Join(dir, n), filepath.Join(filepath.Dir(runtime), n)); err != nil {
			t.Fatal(err)
		}
	}
	stubLibrary(t, filepath.Dir(runtime), "libonnxruntime_providers_cuda.so", names[:len(names)-1]...)
	for _, n := range names {
		away := filepath.Join(t.TempDir(), n)
		if err := os.Rename(filepath.Join(dir, n), away); err != nil {
			t.Fatal(err)
		}
		f(n, dir)
		if err := os.Rename(away, filepath.Join(dir, n)); err != nil {
			t.Fatal(err)
		}
	}
	spoilt := filepath.Join(dir, "libcurand.so.10")
	good, err := os.ReadFile(spoilt)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(spoilt); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spoilt, []byte(strings.Repeat("no library ", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	f("libcurand.so.10", "invalid ELF header")
	if err := os.Remove(spoilt); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spoilt, good, 0o755); err != nil {
		t.Fatal(err)
	}
	f()
}

func TestKeepSignals(t *testing.T) {
	ran := false
	if n := KeepSignals(func() { ran = true }); n != 0 || !ran {
		t.Errorf("KeepSignals put back %d handlers that nobody replaced, ran = %v", n, ran)
	}
}
