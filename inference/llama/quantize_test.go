package llama

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// greedyOf is what a model file says, and how many layers it has.
func greedyOf(t *testing.T, path string) (out []Token, layers int) {
	t.Helper()
	m, err := LoadModel(ModelParams{Path: path})
	if err != nil {
		t.Fatalf("LoadModel(%q) = %v", path, err)
	}
	defer m.Close()
	c, err := m.NewContext(ContextParams{Cells: 256, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := m.NewSampler(sampling(SamplingParams{}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	next := tokenize(t, m, "hello")
	for len(out) < 12 {
		var b Batch
		for _, tok := range next {
			b.Add(tok, c.SeqPosMax(0)+1+Pos(len(b.Tokens)), 0)
		}
		b.Groups = []Group{{Sampler: s, First: len(b.Tokens) - 1, Rows: 1}}
		if err := c.Step(&b); err != nil {
			t.Fatal(err)
		}
		next = []Token{b.Out[len(b.Tokens)-1]}
		out = append(out, next[0])
	}
	return out, m.Info().Layers
}

func TestPruneLeavesTheOtherLayersAsTheyAre(t *testing.T) {
	tinyModel(t, tiny) // or skip
	three, one := tiny, tiny
	three.layers, one.layers = 3, 1
	in, want := writeFile(t, three.bytes()), writeFile(t, one.bytes()) // the weights of the first layers are the same
	out := filepath.Join(t.TempDir(), "pruned.gguf")
	if err := Prune(in, out, []int{2, 1, 2}, nil); err != nil {
		t.Fatalf("Prune = %v", err)
	}
	got, layers := greedyOf(t, out)
	if expect, _ := greedyOf(t, want); layers != 1 || !slices.Equal(got, expect) {
		t.Errorf("pruned model with %d layers says %v, want 1 layer and %v", layers, got, expect)
	}
	if whole, _ := greedyOf(t, in); slices.Equal(got, whole) {
		t.Errorf("the pruned model says what the whole one does, %v: this test sees nothing", got)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(out), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	f := func(why string, err error, kind error, says string) {
		t.Helper()
		if !errors.Is(err, kind) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error with %q", why, err, says)
		}
	}
	other := filepath.Join(t.TempDir(), "no.gguf")
	f("no layer", Prune(in, other, nil, nil), ErrArgument, "no layer")
	f("all layers", Prune(in, other, []int{0, 1, 2}, nil), ErrArgument, "one must stay")
	f("layer too high", Prune(in, other, []int{3}, nil), ErrArgument, "0 … 2")
	f("negative layer", Prune(in, other, []int{-1}, nil), ErrArgument, "0 … 2")
	f("output is there", Prune(in, out, []int{1}, nil), ErrArgument, "exists")
	f("output is the input", Prune(in, in, []int{1}, nil), ErrArgument, "exists")
	f("no folder", Prune(in, filepath.Join(other, "x.gguf"), []int{1}, nil), os.ErrNotExist, "no.gguf")
	f("no model", Prune(writeFile(t, []byte("GGUF and so on")), other, []int{1}, nil), ErrModelFile, "model.gguf")
	if _, err := os.Stat(other); err == nil {
		t.Error("a failed copy left its output")
	}
}

func TestQuantizeWritesEveryType(t *testing.T) {
	wide := tinyShape{layers: 2, width: 256, heads: 4, context: 256} // K-quants have blocks of 256
	tinyModel(t, wide)
	in, dir := writeFile(t, wide.bytes()), t.TempDir()
	before, err := os.Stat(in)
	if err != nil {
		t.Fatal(err)
	}
	size := before.Size() + 1024
	for _, name := range WeightTypes {
		out := filepath.Join(dir, name)
		if err := Quantize(in, out, strings.ToLower(name), 1, func(int64) {}); err != nil {
			t.Errorf("Quantize(%s) = %v", name, err)
			continue
		}
		m, err := LoadModel(ModelParams{Path: out})
		if err != nil {
			t.Errorf("LoadModel of %s = %v", name, err)
			continue
		}
		if got := m.Info().FileType; !strings.HasPrefix(strings.ReplaceAll(got, " - ", "_"), name[:3]) && name != "F32" {
			t.Errorf("the file of type %s says %q", name, got)
		}
		m.Close()
		st, err := os.Stat(out)
		if err != nil || st.Size() > size {
			t.Errorf("%s has %d bytes, %v; want at most %d", name, st.Size(), err, size)
		}
	}
	if err := Quantize(in, filepath.Join(dir, "x"), "Q9_Z", 1, nil); !errors.Is(err, ErrArgument) || !strings.Contains(err.Error(), "Q8_0") {
		t.Errorf("Quantize(Q9_Z) = %v, want the types there are", err)
	}
	if err := Quantize(in, filepath.Join(dir, "x"), "Q8_0", -1, nil); !errors.Is(err, ErrArgument) {
		t.Errorf("Quantize with -1 threads = %v, want ErrArgument", err)
	}
}
