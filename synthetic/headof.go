package synthetic

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"repartee/inference/llama/gguf"
)

// EAGLE3Of is an EAGLE-3 head of the size that belongs to the model of a GGUF file of
// the architecture "llama", with random weights: it fits, costs what a trained one
// costs, and is wrong. tokens is its own vocabulary, the model's first.
func EAGLE3Of(path string, tokens int, seed uint64) ([]byte, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("synthetic: %q: %w", path, err)
	}
	number := func(key string) int64 {
		n, _ := f.Meta["llama."+key].Int()
		return n
	}
	w, feed, heads, layers := number("embedding_length"), number("feed_forward_length"), number("attention.head_count"), number("block_count")
	kv, vocab := number("attention.head_count_kv"), f.Meta["tokenizer.ggml.tokens"].Len()
	if w <= 0 || feed <= 0 || heads <= 0 || kv <= 0 || layers < 4 || tokens < 1 || tokens > vocab {
		return nil, fmt.Errorf("synthetic: %q: width %d, %d heads, %d layers, %d tokens: no head of %d tokens can be made for it", path, w, heads, layers, vocab, tokens)
	}
	b := &gguf.Builder{}
	b.String("general.architecture", "eagle3")
	b.String("general.name", "random EAGLE-3 head")
	b.Uint32("eagle3.block_count", 1)
	b.Uint32("eagle3.embedding_length", uint32(w))
	b.Uint32("eagle3.context_length", uint32(number("context_length")))
	b.Uint32("eagle3.feed_forward_length", uint32(feed))
	b.Uint32("eagle3.attention.head_count", uint32(heads))
	b.Uint32("eagle3.attention.head_count_kv", uint32(kv))
	b.Float32("eagle3.attention.layer_norm_rms_epsilon", 1e-5)
	b.Uint32("eagle3.target_hidden_size", uint32(w))
	b.Int32s("eagle3.target_layers", []int32{2, int32(layers / 2), int32(layers - 3)}) // as Li et al. choose them
	for _, key := range f.Keys {
		if strings.HasPrefix(key, "tokenizer.") {
			b.Put(key, f.Meta[key])
		}
	}
	r := rand.New(rand.NewPCG(seed, 1))
	noise := func(int) float32 { return float32(r.NormFloat64()) * 0.02 }
	one := constant(1)
	narrow := w / heads * kv
	for _, t := range []struct {
		name  string
		shape []int64
		value func(int) float32
	}{
		{"fc", []int64{3 * w, w}, noise}, {"output_norm", []int64{w}, one}, {"output", []int64{w, int64(tokens)}, noise},
		{"blk.0.attn_norm", []int64{w}, one}, {"blk.0.attn_norm_2", []int64{w}, one}, {"blk.0.ffn_norm", []int64{w}, one},
		{"blk.0.attn_q", []int64{2 * w, w}, noise}, {"blk.0.attn_k", []int64{2 * w, narrow}, noise}, {"blk.0.attn_v", []int64{2 * w, narrow}, noise},
		{"blk.0.attn_output", []int64{w, w}, noise},
		{"blk.0.ffn_gate", []int64{w, feed}, noise}, {"blk.0.ffn_up", []int64{w, feed}, noise}, {"blk.0.ffn_down", []int64{feed, w}, noise},
	} {
		b.Tensor(t.name+".weight", t.shape, t.value)
	}
	stands := make([]int64, tokens)
	for i := range stands {
		stands[i] = int64(i)
	}
	b.Int64Tensor("d2t", stands)
	return b.Bytes(), nil
}
