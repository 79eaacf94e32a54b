package catalog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	cache := t.TempDir()
	file := filepath.Join(cache, "own.gguf")
	def := Default(Model)
	for _, p := range []string{file, def.Path(cache)} {
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f := func(path, want, problem string) {
		t.Helper()
		got, err := Resolve(path, cache)
		if got != want || (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Fatalf("Resolve(%q) = %q, %v; want %q, error with %q", path, got, err, want, problem)
		}
	}
	f(file, file, "")
	f(def.Name, def.Path(cache), "")
	f(def.Name+":latest", def.Path(cache), "")
	f("phi3:mini", "", "repartee models pull phi3:mini")
	f(Default(Voice).Name, "", "make fetch")
	f("nosuch", "", "neither a file nor a name")
	f(filepath.Join(cache, "missing.gguf"), "", "cannot be used")
	f(cache, "", "is not a file")
}

func TestEntriesAreComplete(t *testing.T) {
	names, files := map[string]bool{}, map[string]bool{}
	for _, e := range Entries {
		if e.Licence == "" || e.About == "" || e.Size == "" || names[e.Name] || (e.Repo == "") != e.Default || (e.Repo == "") != (e.RepoFile == "") {
			t.Errorf("%+v is not complete, or twice there", e)
		}
		names[e.Name] = true
		for _, f := range append([]Beside{{e.File, e.RepoFile}}, e.Beside...) {
			path := string(e.Kind) + "s/" + f.File
			if files[path] || !filepath.IsLocal(f.File) || !e.Default && f.RepoFile == "" {
				t.Errorf("%s has the file %+v, which is another's or nowhere", e.Name, f)
			}
			files[path] = true
		}
	}
	if e, ok := ByFile("/some/where/en_US-joe-medium.onnx"); !ok || e.Licence != "CC0-1.0" {
		t.Errorf("ByFile of the default voice = %+v, %v", e, ok)
	}
	if _, ok := ByFile("supertonic/onnx/vocoder.onnx"); ok {
		t.Error("ByFile found an entry by a file that every such voice has")
	}
}
