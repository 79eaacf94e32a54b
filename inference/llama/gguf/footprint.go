package gguf

import (
	"fmt"
	"strconv"
	"strings"
)

// Footprint is what a model's file says of the memory it will take.
type Footprint struct {
	Layers []uint64 // bytes of each repeating layer
	Output uint64   // the head; of a model that shares it with the embedding, that
	Host   uint64   // the token embedding, looked up in the host's memory
	// KeyWidth and ValueWidth are the elements of K and V of one cell in one layer.
	KeyWidth, ValueWidth int
	Context              int // trained, in tokens
	Vocabulary           int
	Embedding, Feed      int // widths
	Heads                int
}

// Weights are all bytes of the file's tensors, each counted once.
func (p Footprint) Weights() uint64 {
	n := p.Host
	for _, b := range p.Layers {
		n += b
	}
	return n + p.Output
}

// Footprint reads it from the head of the file. tied models, which have no head
// of their own, have the embedding counted as Host alone.
func (f *File) Footprint() (Footprint, error) {
	arch := f.Meta["general.architecture"].Text
	number := func(key string) int {
		n, _ := f.Meta[arch+"."+key].Int()
		return int(n)
	}
	p := Footprint{
		Context: number("context_length"), Embedding: number("embedding_length"), Feed: number("feed_forward_length"),
		Heads: number("attention.head_count"), Vocabulary: f.Meta["tokenizer.ggml.tokens"].Len(),
	}
	layers, kv := number("block_count"), number("attention.head_count_kv")
	if kv == 0 {
		kv = p.Heads
	}
	if layers <= 0 || layers > 4096 || p.Heads <= 0 || p.Embedding <= 0 || kv < 0 {
		return p, fmt.Errorf("gguf: %q: block_count %d, head_count %d, embedding_length %d: a language model has all three", arch, layers, p.Heads, p.Embedding)
	}
	width := func(key string) int {
		if n := number(key); n > 0 {
			return n * kv
		}
		return p.Embedding / p.Heads * kv
	}
	p.KeyWidth, p.ValueWidth = width("attention.key_length"), width("attention.value_length")
	p.Layers = make([]uint64, layers)
	for _, t := range f.Tensors {
		n, err := t.Bytes()
		if err != nil {
			return p, err
		}
		rest, layer := strings.CutPrefix(t.Name, "blk.")
		switch number, _, _ := strings.Cut(rest, "."); {
		case layer:
			i, err := strconv.Atoi(number)
			if err != nil || i < 0 || i >= layers {
				return p, fmt.Errorf("gguf: tensor %q lies in none of the %d layers", t.Name, layers)
			}
			p.Layers[i] += uint64(n)
		case strings.HasPrefix(t.Name, "token_embd"):
			p.Host += uint64(n)
		default:
			p.Output += uint64(n)
		}
	}
	return p, nil
}

// Tied says that the model has no head of its own: on a card the embedding is
// there a second time.
func (f *File) Tied() bool {
	for _, t := range f.Tensors {
		if t.Name == "output.weight" {
			return false
		}
	}
	return true
}
