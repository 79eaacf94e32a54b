package llama

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestEmbedder(t *testing.T) {
	m := defaultModel(t)
	newEmbedder := func(p EmbedderParams) *Embedder {
		t.Helper()
		e, err := m.NewEmbedder(p)
		if err != nil {
			t.Fatalf("NewEmbedder(%+v) = %v", p, err)
		}
		t.Cleanup(e.Close)
		return e
	}
	e := newEmbedder(EmbedderParams{Tokens: 512, Threads: 2})
	embed := func(e *Embedder, text string) []float32 {
		t.Helper()
		v, err := e.Embed(nil, tokenize(t, m, text))
		if err != nil || len(v) != e.Width() || e.Width() != m.Info().Embedding {
			t.Fatalf("Embed(%.30q) = %d numbers, %v, want %d", text, len(v), err, m.Info().Embedding)
		}
		return v
	}
	dot := func(a, b []float32) (sum float64) {
		for i := range a {
			sum += float64(a[i]) * float64(b[i])
		}
		return sum
	}
	cat := embed(e, "The cat sleeps on the sofa.")
	if l := dot(cat, cat); math.Abs(l-1) > 1e-5 {
		t.Errorf("the length is %v, want 1", math.Sqrt(l))
	}
	kitten, tax := embed(e, "A kitten is sleeping on the couch."), embed(e, "Section 12 of the tax code was amended in 1987.")
	if near, far := dot(cat, kitten), dot(cat, tax); near <= far {
		t.Errorf("cat and kitten are %v alike, cat and tax %v", near, far)
	}
	if again := embed(e, "The cat sleeps on the sofa."); !slices.Equal(again, cat) {
		t.Error("the same text has another vector after other texts")
	}
	story := strings.Repeat("The river rose in spring and the mill stood still. ", 30)
	if like := dot(embed(e, story), embed(newEmbedder(EmbedderParams{Tokens: 512, Threads: 1, chunk: 7}), story)); like < 0.9999 {
		t.Errorf("read in chunks of 7 a vector is only %v alike", like)
	}

	bad := func(name string, tokens []Token) {
		t.Helper()
		if v, err := e.Embed([]float32{1}, tokens); !errors.Is(err, ErrArgument) || len(v) != 1 {
			t.Errorf("Embed(%s) = %d numbers, %v, want ErrArgument and dst as it was", name, len(v), err)
		}
	}
	bad("nothing", nil)
	bad("too much", make([]Token, 513))
	bad("token -1", []Token{1, -1})
	bad("token past the end", []Token{Token(m.Info().VocabSize)})
	e.Close()
	bad("closed", []Token{1})
	if _, err := m.NewEmbedder(EmbedderParams{Threads: -1}); !errors.Is(err, ErrArgument) {
		t.Errorf("NewEmbedder(-1 threads) = %v, want ErrArgument", err)
	}
}
