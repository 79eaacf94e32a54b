package synthetic

import (
	"fmt"
	"slices"

	"repartee/inference/llama/gguf"
)

// Shape is the shape of a model.
type Shape struct {
	Name       string
	Vocabulary string // file in the models folder of the llama.cpp tree
	// Sizes as the model's authors publish them.
	Layers, Embedding, Feed, Heads, HeadsKV, Context int
	RopeBase                                         float32
	Fused                                            bool // phi3: Q, K and V in one tensor, gate and up too
	Bias                                             bool // qwen2: Q, K and V have biases
	Tied                                             bool // the head is the embedding
	Mixed                                            bool // Q4_K_M; else all Q4_0
}

// Shapes are the models that can be made.
var Shapes = []Shape{
	{Name: "phi3-mini", Vocabulary: "ggml-vocab-phi-3.gguf", Layers: 32, Embedding: 3072, Feed: 8192, Heads: 32, HeadsKV: 32, Context: 4096, RopeBase: 1e4, Fused: true},
	{Name: "llama3.1-8b", Vocabulary: "ggml-vocab-llama-bpe.gguf", Layers: 32, Embedding: 4096, Feed: 14336, Heads: 32, HeadsKV: 8, Context: 131072, RopeBase: 5e5, Mixed: true},
	{Name: "qwen2.5-1.5b", Vocabulary: "ggml-vocab-qwen2.gguf", Layers: 28, Embedding: 1536, Feed: 8960, Heads: 12, HeadsKV: 2, Context: 32768, RopeBase: 1e6, Bias: true, Tied: true, Mixed: true},
}

// Named finds a shape; the error lists them.
func Named(name string) (Shape, error) {
	var have []string
	for _, s := range Shapes {
		if s.Name == name {
			return s, nil
		}
		have = append(have, s.Name)
	}
	return Shape{}, fmt.Errorf("synthetic: no shape is called %q; there are %v", name, have)
}

// types chooses the type of a layer's tensor as llama.cpp's quantiser does: in
// Q4_K_M the value and down projections of the first and last eighth of the
// layers, and of every third between, are Q6_K.
func (s Shape) types(layer int, sensitive bool) uint32 {
	switch {
	case !s.Mixed:
		return gguf.Q4_0
	case sensitive && (layer < s.Layers/8 || layer >= 7*s.Layers/8 || (layer-s.Layers/8)%3 == 2):
		return gguf.Q6K
	}
	return gguf.Q4K
}

// tensors lists what the file holds, for the vocabulary's size.
func (s Shape) tensors(vocabulary int) []gguf.Tensor {
	var out []gguf.Tensor
	add := func(name string, kind uint32, shape ...int64) {
		out = append(out, gguf.Tensor{Name: name, Type: kind, Shape: slices.Clone(shape)})
	}
	e, f, kv := int64(s.Embedding), int64(s.Feed), int64(s.Embedding/s.Heads*s.HeadsKV)
	head := uint32(gguf.Q6K)
	embedding := s.types(s.Layers/2, false)
	if s.Tied {
		embedding = head
	}
	add("token_embd.weight", embedding, e, int64(vocabulary))
	for i := range s.Layers {
		block := func(name string, kind uint32, shape ...int64) { add(fmt.Sprintf("blk.%d.%s", i, name), kind, shape...) }
		block("attn_norm.weight", gguf.F32, e)
		if s.Fused {
			block("attn_qkv.weight", s.types(i, false), e, e+2*kv)
		} else {
			block("attn_q.weight", s.types(i, false), e, e)
			block("attn_k.weight", s.types(i, false), e, kv)
			block("attn_v.weight", s.types(i, true), e, kv)
		}
		if s.Bias {
			block("attn_q.bias", gguf.F32, e)
			block("attn_k.bias", gguf.F32, kv)
			block("attn_v.bias", gguf.F32, kv)
		}
		block("attn_output.weight", s.types(i, false), e, e)
		block("ffn_norm.weight", gguf.F32, e)
		if s.Fused {
			block("ffn_up.weight", s.types(i, false), e, 2*f)
		} else {
			block("ffn_gate.weight", s.types(i, false), e, f)
			block("ffn_up.weight", s.types(i, false), e, f)
		}
		block("ffn_down.weight", s.types(i, true), f, e)
	}
	add("output_norm.weight", gguf.F32, e)
	if !s.Tied {
		add("output.weight", head, e, int64(vocabulary))
	}
	return out
}
