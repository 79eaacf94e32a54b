package llama

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"repartee/inference/llama/gguf"
	"repartee/synthetic"
)

// tinyShape is a llama-shaped model of a few kilobytes with random weights: it
// loads and steps, and what it says is noise.
type tinyShape struct {
	layers, width, heads, context uint32
	window                        uint32 // sliding window, 0 = none
	change                        func(b *gguf.Builder)
}

func (s tinyShape) bytes() []byte {
	var b gguf.Builder
	arch := "llama"
	if s.window > 0 {
		arch = "gemma3" // five layers of six see a window only
	}
	b.String("general.architecture", arch)
	b.String("general.name", "tiny")
	key := func(name string) string { return arch + "." + name }
	b.Uint32(key("block_count"), s.layers)
	b.Uint32(key("embedding_length"), s.width)
	b.Uint32(key("context_length"), s.context)
	b.Uint32(key("feed_forward_length"), 2*s.width)
	b.Uint32(key("attention.head_count"), s.heads)
	b.Float32(key("attention.layer_norm_rms_epsilon"), 1e-5)

	if s.window > 0 {
		b.Uint32(key("attention.sliding_window"), s.window)
	}

	tokens, kinds, scores := synthetic.ByteVocabulary()
	b.String("tokenizer.ggml.model", "llama")
	b.Strings("tokenizer.ggml.tokens", tokens)
	b.Float32s("tokenizer.ggml.scores", scores)
	b.Int32s("tokenizer.ggml.token_type", kinds)
	b.Uint32("tokenizer.ggml.bos_token_id", 1)
	b.Uint32("tokenizer.ggml.eos_token_id", 2)
	if s.change != nil {
		s.change(&b)
	}
	seed := uint32(1)
	noise := func(int) float32 {
		seed = seed*1664525 + 1013904223
		return float32(seed>>8)/float32(1<<24)*0.4 - 0.2
	}
	one := func(int) float32 { return 1 }
	w, vocab := int64(s.width), int64(len(tokens))
	b.Tensor("token_embd.weight", []int64{w, vocab}, noise)
	b.Tensor("output_norm.weight", []int64{w}, one)
	b.Tensor("output.weight", []int64{w, vocab}, noise)
	for l := range s.layers {
		t := func(name string, value func(int) float32, shape ...int64) {
			b.Tensor(fmt.Sprintf("blk.%d.%s.weight", l, name), shape, value)
		}
		t("attn_norm", one, w)
		t("attn_q", noise, w, w)
		t("attn_k", noise, w, w)
		t("attn_v", noise, w, w)
		t("attn_output", noise, w, w)
		if s.window > 0 {
			head := w / int64(s.heads)
			t("attn_q_norm", one, head)
			t("attn_k_norm", one, head)
			t("post_attention_norm", one, w)
			t("post_ffw_norm", one, w)
		}
		t("ffn_norm", one, w)
		t("ffn_gate", noise, w, 2*w)
		t("ffn_up", noise, w, 2*w)
		t("ffn_down", noise, 2*w, w)
	}
	return b.Bytes()
}

var tiny = tinyShape{layers: 2, width: 64, heads: 2, context: 256}

func writeFile(tb testing.TB, data []byte) string {
	tb.Helper()
	p := filepath.Join(tb.TempDir(), "model.gguf")
	if err := os.WriteFile(p, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return p
}

// tinyModel loads a tiny model of its own, closed with the test.
func tinyModel(tb testing.TB, s tinyShape) *Model {
	tb.Helper()
	m, err := LoadModel(ModelParams{Path: writeFile(tb, s.bytes()), GPULayers: tinyLayers})
	if err == ErrNotBuilt {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatalf("LoadModel(tiny) = %v, want a model", err)
	}
	tb.Cleanup(m.Close)
	return m
}

func TestTinyModelSteps(t *testing.T) {
	m := tinyModel(t, tiny)
	c, err := m.NewContext(ContextParams{Cells: 256, Sequences: 2, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := newSampler(t, m, SamplingParams{Logprobs: 3})
	var b Batch
	for i, tok := range tokenize(t, m, "hello") {
		b.Add(tok, Pos(i), 0)
	}
	b.Groups = []Group{{Sampler: s, First: len(b.Tokens) - 1, Rows: 1}}
	if err := c.Step(&b); err != nil {
		t.Fatalf("Step = %v", err)
	}
	lp := b.Logprobs[len(b.Tokens)-1]
	if len(lp) != 4 || lp[0] != lp[1] || math.IsNaN(float64(lp[0].Logprob)) {
		t.Errorf("Logprobs = %v, want the greedy token first and again as the best", lp)
	}
}
