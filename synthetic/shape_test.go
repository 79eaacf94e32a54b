package synthetic

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"repartee/inference/llama/gguf"
)

// vocabulary writes a small file in the place of a real vocabulary.
func vocabulary(t *testing.T, s Shape, arch string, words int) string {
	t.Helper()
	var b gguf.Builder
	b.String("general.architecture", arch)
	b.Strings("tokenizer.ggml.tokens", make([]string, words))
	b.Float32s("tokenizer.ggml.scores", make([]float32, words))
	b.Bool("tokenizer.ggml.add_bos_token", true)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, s.Vocabulary), b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestShapesHaveTheirModelsSize counts parameters without writing a file: they
// are those that the models' authors publish.
func TestShapesHaveTheirModelsSize(t *testing.T) {
	f := func(name string, words int, parameters, bytes float64) {
		t.Helper()
		s, err := Named(name)
		if err != nil {
			t.Fatal(err)
		}
		var n, size float64
		for _, tensor := range s.tensors(words) {
			b, err := tensor.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			each := 1.0
			for _, d := range tensor.Shape {
				each *= float64(d)
			}
			n, size = n+each, size+float64(b)
		}
		if n < parameters*0.995 || n > parameters*1.005 {
			t.Errorf("%s: %.0f parameters, want %.0f", name, n, parameters)
		}
		if size < bytes*0.95 || size > bytes*1.05 {
			t.Errorf("%s: %.0f bytes, want about %.0f", name, size, bytes)
		}
	}
	f("phi3-mini", 32064, 3.821e9, 2.18e9)
	f("llama3.1-8b", 128256, 8.030e9, 4.92e9)
	f("qwen2.5-1.5b", 151936, 1.544e9, 0.986e9)
	if _, err := Named("gpt-9"); err == nil {
		t.Error("Named(gpt-9) = nil, want an error with the list")
	}
}

func TestWriteReadsBack(t *testing.T) {
	small := Shape{Name: "small", Vocabulary: "v.gguf", Layers: 3, Embedding: 256, Feed: 512, Heads: 4, HeadsKV: 2, Context: 128, RopeBase: 1e4, Bias: true, Mixed: true}
	dir := vocabulary(t, small, "qwen2", 64)
	write := func(name string, layers int, seed uint64) []byte {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := small.Write(path, dir, layers, seed); err != nil {
			t.Fatalf("Write(%d layers): %v", layers, err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	data := write("a", 2, 1)
	f, err := gguf.Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("Read(what was written): %v", err)
	}
	p, err := f.Footprint()
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Layers) != 2 || p.Vocabulary != 64 || p.KeyWidth != 128 || p.ValueWidth != 128 || f.Tied() {
		t.Errorf("Footprint = %+v, want 2 layers, 64 words, K and V of 128", p)
	}
	if got := uint64(f.Size - f.Data); got < p.Weights() || got > p.Weights()+uint64(32*len(f.Tensors)) {
		t.Errorf("the data are %d bytes, the footprint says %d", got, p.Weights())
	}
	if !bytes.Equal(data, write("b", 2, 1)) || bytes.Equal(data, write("c", 2, 2)) {
		t.Error("the same seed made another file, or another seed the same")
	}
	if err := small.Write(filepath.Join(t.TempDir(), "d"), dir, 4, 1); err == nil {
		t.Error("Write(4 of 3 layers) = nil, want an error")
	}
}
