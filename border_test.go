package main

import (
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// cgoAllowed are the only packages that may call C themselves.
var cgoAllowed = []string{"inference/llama", "tts/audio", "gpu"}

// TestCgoStaysBehindItsBorder walks every source file: import "C" stands only
// where it may, never in a file that a build without cgo would take, and each
// such package has a twin file for that build.
func TestCgoStaysBehindItsBorder(t *testing.T) {
	twins := map[string]bool{}
	callers := map[string]bool{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || name == "tools" {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		with, without := buildsWith(t, name, source)
		twins[dir] = twins[dir] || without && !with
		if !importsC(t, name, source) {
			return nil
		}
		callers[dir] = true
		if !slices.Contains(cgoAllowed, dir) {
			t.Errorf("%s imports C; only %s may", name, strings.Join(cgoAllowed, ", "))
		}
		if without {
			t.Errorf("%s imports C without //go:build cgo", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range cgoAllowed {
		if !callers[dir] {
			t.Errorf("%s imports C nowhere: take it off the list", dir)
		}
		if !twins[dir] {
			t.Errorf("%s has no file with //go:build !cgo", dir)
		}
	}
}

func importsC(t *testing.T, name string, source []byte) bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range file.Imports {
		if spec.Path.Value == `"C"` {
			return true
		}
	}
	return false
}

// buildsWith tells whether a file is taken with and without cgo, every other
// tag being set.
func buildsWith(t *testing.T, name string, source []byte) (with, without bool) {
	t.Helper()
	for line := range strings.Lines(string(source)) {
		if strings.HasPrefix(line, "package ") {
			break
		}
		if !constraint.IsGoBuild(line) {
			continue
		}
		expr, err := constraint.Parse(strings.TrimSpace(line))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return expr.Eval(func(string) bool { return true }), expr.Eval(func(tag string) bool { return tag != "cgo" })
	}
	return true, true
}
