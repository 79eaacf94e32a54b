package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"repartee/inference/llama/gguf"
)

// TestHostPlan plans a model of a kilobyte whose head says that it is large.
func TestHostPlan(t *testing.T) {
	model := func(name string, context uint32) string {
		t.Helper()
		var b gguf.Builder
		b.String("general.architecture", "llama")
		b.Uint32("llama.block_count", 1)
		b.Uint32("llama.embedding_length", 64)
		b.Uint32("llama.context_length", context)
		b.Uint32("llama.feed_forward_length", 128)
		b.Uint32("llama.attention.head_count", 2)
		b.String("tokenizer.ggml.model", "llama")
		b.Strings("tokenizer.ggml.tokens", []string{"a", "b"})
		b.Tensor("token_embd.weight", []int64{64, 2}, func(int) float32 { return 1 })
		b.Tensor("blk.0.attn_norm.weight", []int64{64}, func(int) float32 { return 1 })
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	f := func(m modelFlags, cells int, problem string) {
		t.Helper()
		m.KVType, m.Parallel = "auto", 8
		p, err := m.planHost()
		if (err == nil) != (problem == "") || err != nil && !strings.Contains(err.Error(), problem) {
			t.Fatalf("planHost(%v, %d cells) = %v, want %q", m.Model, m.CtxSize, err, problem)
		}
		if p == nil {
			t.Skip("this system does not say how much memory it has")
		}
		var out strings.Builder
		if err := p.write(&out); err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{m.Model[0].Name, "weights", "KV", "compute", "available"} {
			if !strings.Contains(out.String(), word) {
				t.Errorf("the table lacks %q:\n%s", word, out.String())
			}
		}
		if got := p.Models[0].Cells; problem == "" && got != cells {
			t.Errorf("planHost(%v, %d cells) plans %d cells, want %d", m.Model, m.CtxSize, got, cells)
		}
	}
	f(modelFlags{Model: []named{{"small", model("a.gguf", 2048)}}}, 4096, "")
	f(modelFlags{Model: []named{{"long", model("b.gguf", 1<<20)}}}, mostCells, "")
	f(modelFlags{Model: []named{{"given", model("c.gguf", 2048)}}, CtxSize: 512}, 512, "")
	f(modelFlags{Model: []named{{"huge", model("d.gguf", 2048)}}, CtxSize: 1 << 40}, 0, "not enough memory: models and voices need")

	// What guesses for a model has as many cells, whatever it was trained for.
	draft := modelFlags{Model: []named{{"guessed", model("e.gguf", 8192)}}, Draft: []named{{"guessed", model("f.gguf", 1<<20)}}, KVType: "auto", Parallel: 8}
	g := func(speculate string, want []string) {
		t.Helper()
		draft.Speculate = speculate
		p, err := draft.planHost()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for f := range p.Each {
			got = append(got, fmt.Sprint(f.Name, " ", f.Cells))
		}
		if !slices.Equal(got, want) {
			t.Errorf("planHost with --speculate %s and a draft plans %q, want %q", speculate, got, want)
		}
	}
	g("auto", []string{"guessed 8192", "guessed (draft) 8192"})
	g("ngram", []string{"guessed 8192"})
}
