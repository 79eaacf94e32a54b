package inference

import (
	"context"
	"errors"
	"testing"
	"time"

	"repartee/inference/llama"
)

// slowEmbedder waits for leave with each text; its vector is the text's length.
type slowEmbedder struct {
	entered, leave chan struct{}
	closed         *bool
}

func (s slowEmbedder) Width() int     { return 1 }
func (s slowEmbedder) MaxTokens() int { return 4 }
func (s slowEmbedder) Close()         { *s.closed = true }

func (s slowEmbedder) Embed(dst []float32, tokens []Token) ([]float32, error) {
	s.entered <- struct{}{}
	<-s.leave
	if tokens[0] == 13 {
		panic("told so")
	}
	return append(dst, float32(len(tokens))), nil
}

func TestEmbedQueuesAndStops(t *testing.T) {
	closed := false
	s := slowEmbedder{entered: make(chan struct{}), leave: make(chan struct{}), closed: &closed}
	m := &fakeModel{}
	e := New(m, newFakeContext(m, 256), Config{Name: "m", Cells: 256, MaxQueue: 1, Embedder: func() (Embedder, error) { return s, nil }})
	type answer struct {
		out Embeddings
		err error
	}
	embed := func(ctx context.Context, truncate bool, texts ...[]Token) chan answer {
		c := make(chan answer, 1)
		go func() {
			out, err := e.Embed(ctx, texts, truncate)
			c <- answer{out, err}
		}()
		return c
	}
	bg := context.Background()

	a := embed(bg, true, []Token{1, 2}, []Token{1, 2, 3, 4, 5})
	<-s.entered
	ctx, cancel := context.WithCancel(bg)
	waits := embed(ctx, false, []Token{1})
	for len(e.embedding.jobs) == 0 {
		time.Sleep(time.Millisecond)
	}
	var full *QueueFullError
	if _, err := e.Embed(bg, [][]Token{{1}}, false); !errors.As(err, &full) {
		t.Fatalf("Embed behind a full queue = %v, want a QueueFullError", err)
	}
	cancel()
	if got := <-waits; !errors.Is(got.err, context.Canceled) {
		t.Fatalf("Embed with a cancelled context = %v, want context.Canceled", got.err)
	}
	s.leave <- struct{}{}
	<-s.entered
	s.leave <- struct{}{}
	if got := <-a; got.err != nil || got.out.Vectors[0][0] != 2 || got.out.Vectors[1][0] != 4 || got.out.Tokens[1] != 4 {
		t.Fatalf("Embed of 2 and 5 tokens = %+v, want lengths 2 and 4", got)
	}

	var long *InputTooLongError
	if _, err := e.Embed(bg, [][]Token{{1, 2, 3, 4, 5}}, false); !errors.As(err, &long) || long.Most != 4 {
		t.Fatalf("Embed of 5 tokens = %v, want an InputTooLongError", err)
	}
	if _, err := e.Embed(bg, [][]Token{{}}, false); !errors.Is(err, ErrEmptyPrompt) {
		t.Fatalf("Embed of nothing = %v, want ErrEmptyPrompt", err)
	}
	if _, err := e.Embed(bg, [][]Token{{-1}}, false); !errors.Is(err, llama.ErrArgument) {
		t.Fatalf("Embed of token -1 = %v, want ErrArgument", err)
	}
	p := embed(bg, false, []Token{13})
	<-s.entered
	s.leave <- struct{}{}
	if got := <-p; got.err == nil {
		t.Fatal("Embed over a panicking embedder gave no error")
	}

	last := embed(bg, false, []Token{1}, []Token{2})
	<-s.entered
	ended := make(chan struct{})
	go func() { e.Close(); close(ended) }()
	<-e.embedding.quit
	s.leave <- struct{}{}
	<-ended
	if got := <-last; !errors.Is(got.err, ErrClosed) {
		t.Fatalf("Embed during Close = %+v, want ErrClosed", got)
	}
	if _, err := e.Embed(bg, [][]Token{{1}}, false); !errors.Is(err, ErrClosed) || !closed {
		t.Fatalf("Embed after Close = %v, embedder closed %v", err, closed)
	}
}

func TestEmbedWithoutEmbedder(t *testing.T) {
	m := &fakeModel{}
	e := New(m, newFakeContext(m, 256), Config{Name: "m", Cells: 256})
	defer e.Close()
	if _, err := e.Embed(context.Background(), [][]Token{{1}}, false); !errors.Is(err, llama.ErrUnsupported) {
		t.Fatalf("Embed = %v, want ErrUnsupported", err)
	}
}
