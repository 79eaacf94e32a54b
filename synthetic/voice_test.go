package synthetic

import (
	"os"
	"path/filepath"
	"testing"

	"repartee/tts/onnx/graph"
)

// TestVoicesHaveTheirModelsSize counts parameters: they are those that the
// models' authors publish (Piper medium 15.7 million, Kokoro 82 million).
func TestVoicesHaveTheirModelsSize(t *testing.T) {
	f := func(name string, low, high float64, build func(*network)) {
		t.Helper()
		g := newNetwork(1)
		build(g)
		if n := float64(g.weights); n < low || n > high {
			t.Errorf("%s has %.1f million parameters, want %.1f … %.1f", name, n/1e6, low/1e6, high/1e6)
		}
	}
	f("vits", 14e6, 18e6, func(g *network) { g.vits(vitsSize(false)) })
	f("kokoro", 74e6, 90e6, func(g *network) { g.kokoro(kokoroSize(false)) })
}

func TestWriteVoiceReadsBack(t *testing.T) {
	for _, name := range VoiceShapes {
		write := func(seed uint64) []byte {
			t.Helper()
			path := filepath.Join(t.TempDir(), "v.onnx")
			if err := WriteVoice(name, path, true, seed); err != nil {
				t.Fatalf("WriteVoice(%s): %v", name, err)
			}
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		b := write(1)
		m, err := graph.Parse(b)
		if err != nil || len(m.Inputs) != 3 || len(m.Outputs) != 1 {
			t.Errorf("%s: Parse = %v with %d inputs and %d outputs, want 3 and 1", name, err, len(m.Inputs), len(m.Outputs))
		}
		if string(b) != string(write(1)) || string(b) == string(write(2)) {
			t.Errorf("%s: the same seed made another file, or another seed the same", name)
		}
	}
	if err := WriteVoice("parrot", filepath.Join(t.TempDir(), "v.onnx"), true, 1); err == nil {
		t.Error("WriteVoice(parrot) = nil, want an error with the list")
	}
}
