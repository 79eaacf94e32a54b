package kvtypes

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"repartee/inference/llama"
	"repartee/supply"
)

// TestMeasure has the default model read the project's own text twice over f16 and
// once over q4_0: the first two must agree to the last bit, the third must not, and
// what it saves in memory is what its blocks are smaller.
func TestMeasure(t *testing.T) {
	path, err := supply.Find(supply.DefaultModel)
	if err != nil {
		t.Skip(err)
	}
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	f16, q4 := Pair{llama.KVF16, llama.KVF16}, Pair{llama.KVQ4, llama.KVQ4}
	cfg := Config{Path: path, Text: string(text), Pairs: []Pair{f16, f16, q4}, Tokens: 96, Windows: 2, Rounds: 1, Threads: 1}
	r, err := Measure(t.Context(), cfg)
	if errors.Is(err, llama.ErrNotBuilt) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := 2 * 95; r.Places != want {
		t.Errorf("%d places, want %d", r.Places, want)
	}
	a, b, c := r.Results[0], r.Results[1], r.Results[2]
	if a.Divergence > 1e-5 || a.Same != 1 || b.Divergence != a.Divergence || b.Perplexity != a.Perplexity {
		t.Errorf("f16 beside f16 = %+v, %+v, want no difference", a, b)
	}
	if c.Divergence <= 10*a.Divergence || c.Divergence > 2 || c.Same == 1 {
		t.Errorf("q4_0 beside f16 = %+v, want a difference", c)
	}
	if share := c.Bytes / a.Bytes; math.Abs(share-18.0/64) > 0.01 {
		t.Errorf("q4_0 takes %.3f of f16's memory, want 18 bytes of 64", share)
	}
	if a.Perplexity < 2 || a.Perplexity > 500 {
		t.Errorf("perplexity %v of plain English", a.Perplexity)
	}
	if a.Read <= 0 || a.Step <= 0 {
		t.Errorf("speeds %v tokens/s, %v ms, want more than none", a.Read, a.Step)
	}
	var out strings.Builder
	if err := r.Write(&out); err != nil || strings.Count(out.String(), "\n") != 4+len(cfg.Pairs) {
		t.Errorf("Write = %v, %q", err, out.String())
	}

	cfg.Windows = 1000
	if _, err := Measure(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "1000 pieces of 96 want 96000") {
		t.Errorf("Measure with a text too short = %v, want both numbers", err)
	}
}
