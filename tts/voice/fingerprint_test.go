package voice

import (
	"os"
	"path/filepath"
	"testing"
)

// Every file that a voice reads changes its fingerprint, and no other file does.
func TestFingerprint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "voice", "onnx")
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	print := func() [32]byte {
		t.Helper()
		p, err := Fingerprint(filepath.Join(dir, "joe.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	put("joe.onnx", "graph")
	last := print()
	f := func(name, text string, changes bool) {
		t.Helper()
		put(name, text)
		now := print()
		if (now != last) != changes {
			t.Errorf("with %s = %q the fingerprint changes = %v, want %v", name, text, now != last, changes)
		}
		last = now
	}
	f("joe.onnx", "grape", true)
	f("joe.onnx", "grape", false)
	f("joe.onnx.json", "{}", true)
	f("joe.voices/af_ann.bin", "1", true)
	f("joe.voices/af_ann.bin", "2", true)
	f("voices-v1.bin", "1", true)
	f("../vocab.json", "{}", true)
	f("../voice_styles/F1.json", "{}", true)
	f("vocoder.onnx", "graph", true)
	f("anna.onnx", "graph", false)
	f("anna.onnx.json", "{}", false)
	f("../README.md", "x", false)
	if _, err := Fingerprint(filepath.Join(dir, "absent.onnx")); err == nil {
		t.Error("an absent voice has a fingerprint")
	}
}
