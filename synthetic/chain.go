package synthetic

import (
	"fmt"
	"math/rand"

	"repartee/inference/llama/gguf"
)

// Chain is a language of a few hundred tokens in which each has one successor, and
// the models that speak it: one that answers, and draft heads that read its hidden
// states and are right by construction. They are of the real architectures and a few
// kilobytes large; their weights say how each computes the successor, so a head that
// is fed the wrong states, tokens or positions guesses wrong.
type Chain struct {
	Seed int64
	// Layers of the model that answers, at least 2; 0 = 2.
	Layers int
}

const (
	chainWidth = 64  // of embeddings and of the one attention head
	present    = 0   // dimension that every token but the mask has
	masked     = 1   // dimension that the mask alone has
	slow       = 63  // dimension that positions turn least
	sharp      = 4.0 // makes attention choose one
)

// specials of ByteVocabulary, which no token is followed by.
const chainFirst = 3

// Mask is the token that stands for one to be guessed, as block heads want it.
const Mask = 0

// ByteVocabulary is a SentencePiece vocabulary: three specials, 256 bytes, the letters.
func ByteVocabulary() (tokens []string, kinds []int32, scores []float32) {
	add := func(s string, kind int32) {
		tokens, kinds, scores = append(tokens, s), append(kinds, kind), append(scores, -float32(len(tokens)))
	}
	add("<unk>", 2)
	add("<s>", 3)
	add("</s>", 3)
	for i := range 256 {
		add(fmt.Sprintf("<0x%02X>", i), 6)
	}
	add("▁", 1)
	for c := 'a'; c <= 'z'; c++ {
		add(string(c), 1)
	}
	return tokens, kinds, scores
}

// chain is the language of a seed.
type chain struct {
	next  []int       // by token
	embed [][]float32 // by token
}

func (c Chain) language() chain {
	tokens, _, _ := ByteVocabulary()
	r := rand.New(rand.NewSource(c.Seed))
	l := chain{next: make([]int, len(tokens)), embed: make([][]float32, len(tokens))}
	circle := r.Perm(len(tokens) - chainFirst)
	for i, t := range circle {
		l.next[chainFirst+t] = chainFirst + circle[(i+1)%len(circle)]
	}
	for t := range chainFirst {
		l.next[t] = chainFirst + circle[t]
	}
	for t := range l.embed {
		e := make([]float32, chainWidth)
		for d := range e {
			e[d] = float32(2*r.Intn(2) - 1)
		}
		e[present], e[masked] = 1, 0
		if t == Mask {
			clear(e)
			e[masked] = 8 // as long as the others
		}
		l.embed[t] = e
	}
	return l
}

// Next returns the token that follows t.
func (c Chain) Next(t int) int { return c.language().next[t] }

// output is a matrix of logits that turns the embedding of a token into the token
// that follows steps behind it.
func (l chain) output(steps int) func(i int) float32 {
	rows := make([][]float32, len(l.next))
	for t := chainFirst; t < len(l.next); t++ {
		to := t
		for range steps {
			to = l.next[to]
		}
		rows[to] = l.embed[t]
	}
	return func(i int) float32 {
		if row := rows[i/chainWidth]; row != nil {
			return row[i%chainWidth]
		}
		return 0
	}
}

func (l chain) embedding(i int) float32 { return l.embed[i/chainWidth][i%chainWidth] }

func constant(v float32) func(int) float32 { return func(int) float32 { return v } }

// picks is a matrix of so many columns that copies scale times the dimensions of its
// input from begin on that keep wants, to the same ones of its output.
func picks(columns, begin int, scale float32, keep func(d int) bool) func(int) float32 {
	return func(i int) float32 {
		if row, column := i/columns, i%columns; column == begin+row && keep(row) {
			return scale
		}
		return 0
	}
}

func all(int) bool { return true }

// turns is a square matrix that copies dimension from to dimension to.
func turns(from, to int) func(int) float32 {
	return func(i int) float32 {
		if i/chainWidth == to && i%chainWidth == from {
			return 1
		}
		return 0
	}
}

// builder begins a file of one architecture with what all of them say.
func (c Chain) builder(arch string, blocks uint32) *gguf.Builder {
	b := &gguf.Builder{}
	key := func(name string) string { return arch + "." + name }
	b.String("general.architecture", arch)
	b.String("general.name", "chain")
	b.Uint32(key("block_count"), blocks)
	b.Uint32(key("embedding_length"), chainWidth)
	b.Uint32(key("context_length"), 1024)
	b.Uint32(key("feed_forward_length"), chainWidth)
	b.Uint32(key("attention.head_count"), 1)
	b.Uint32(key("attention.key_length"), chainWidth)
	b.Uint32(key("attention.value_length"), chainWidth)
	b.Float32(key("attention.layer_norm_rms_epsilon"), 1e-6)
	tokens, kinds, scores := ByteVocabulary()
	b.String("tokenizer.ggml.model", "llama")
	b.Strings("tokenizer.ggml.tokens", tokens)
	b.Float32s("tokenizer.ggml.scores", scores)
	b.Int32s("tokenizer.ggml.token_type", kinds)
	b.Uint32("tokenizer.ggml.bos_token_id", 1)
	b.Uint32("tokenizer.ggml.eos_token_id", 2)
	b.Uint32("tokenizer.ggml.mask_token_id", Mask)
	return b
}

// block adds a layer's attention and dense feed-forward; what is left out is zero.
func block(b *gguf.Builder, n int, in int64, weights map[string]func(int) float32) {
	const w = chainWidth
	for _, t := range []struct {
		name  string
		shape []int64
		usual float32
	}{
		{"attn_norm", []int64{w}, 1},
		{"attn_q", []int64{in, w}, 0}, {"attn_k", []int64{in, w}, 0}, {"attn_v", []int64{in, w}, 0},
		{"attn_output", []int64{w, w}, 0},
		{"ffn_norm", []int64{w}, 1},
		{"ffn_gate", []int64{w, w}, 0}, {"ffn_up", []int64{w, w}, 0}, {"ffn_down", []int64{w, w}, 0},
	} {
		value := weights[t.name]
		if value == nil {
			value = constant(t.usual)
		}
		b.Tensor(fmt.Sprintf("blk.%d.%s.weight", n, t.name), t.shape, value)
	}
}

func (c Chain) layers() int { return max(c.Layers, 2) }

// Model is the model that answers, of the architecture "llama".
func (c Chain) Model() []byte {
	l, n := c.language(), c.layers()
	b := c.builder("llama", uint32(n))
	vocab := int64(len(l.next))
	b.Tensor("token_embd.weight", []int64{chainWidth, vocab}, l.embedding)
	b.Tensor("output_norm.weight", []int64{chainWidth}, constant(1))
	b.Tensor("output.weight", []int64{chainWidth, vocab}, l.output(1))
	for i := range n {
		block(b, i, chainWidth, nil)
	}
	return b.Bytes()
}
