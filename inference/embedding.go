package inference

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"repartee/inference/llama"
)

// embedRetry is what clients are told when too many texts wait.
const embedRetry = time.Second

// Embedder computes the vector of one text at a time; one goroutine uses it.
// *llama.Embedder is one.
type Embedder interface {
	// Width is how many numbers a vector has.
	Width() int
	// MaxTokens is the longest text.
	MaxTokens() int
	// Embed appends the vector of a text's tokens to dst.
	Embed(dst []float32, tokens []Token) ([]float32, error)
	Close()
}

// Embeddings are the vectors of several texts.
type Embeddings struct {
	Width   int
	Vectors [][]float32 // one a text, Width numbers of length 1 together
	Tokens  []int       // one a text: how many were read
}

// InputTooLongError means that a text to embed is longer than the embedder takes.
type InputTooLongError struct{ Index, Tokens, Most int }

func (e *InputTooLongError) Error() string {
	return fmt.Sprintf("inference: text %d has %d tokens, the embedder takes %d", e.Index, e.Tokens, e.Most)
}

// embedding is the worker that owns an engine's embedder. The embedder is made
// with the first request: most engines never embed, and its context costs
// memory. It has a thread of its own, as every llama.cpp context must.
type embedding struct {
	cfg  Config
	make func() (Embedder, error)
	log  *slog.Logger
	jobs chan *embedJob
	quit chan struct{}
	done sync.WaitGroup
}

// embedJob is a request; the worker closes ready when out or err is set.
type embedJob struct {
	ctx      context.Context
	texts    [][]Token
	truncate bool
	out      Embeddings
	err      error
	ready    chan struct{}
}

func newEmbedding(cfg Config) *embedding {
	w := &embedding{cfg: cfg, make: cfg.Embedder, log: cfg.Log, jobs: make(chan *embedJob, cfg.MaxQueue), quit: make(chan struct{})}
	if w.make != nil {
		w.done.Go(w.run)
	}
	return w
}

// close ends the worker behind the text it reads right now.
func (w *embedding) close() {
	close(w.quit)
	w.done.Wait()
}

func (w *embedding) run() {
	runtime.LockOSThread()
	stay(w.cfg)
	var e Embedder
	defer func() {
		if e != nil {
			e.Close()
		}
	}()
	for {
		select {
		case <-w.quit:
			return
		case j := <-w.jobs:
			if e == nil {
				e, j.err = w.make()
			}
			if j.err == nil {
				w.serve(e, j)
			}
			rest(e)
			close(j.ready)
		}
	}
}

// serve computes one job's vectors, or sets its error.
func (w *embedding) serve(e Embedder, j *embedJob) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("embedding panic", "panic", p, "stack", string(debug.Stack()))
			j.err = fmt.Errorf("inference: internal error: %v", p)
		}
	}()
	j.out.Width = e.Width()
	for i, text := range j.texts {
		if n := e.MaxTokens(); len(text) > n {
			if !j.truncate {
				j.err = &InputTooLongError{Index: i, Tokens: len(text), Most: n}
				return
			}
			text = text[:n]
		}
		select {
		case <-w.quit:
			j.err = ErrClosed
			return
		default:
		}
		if j.err = j.ctx.Err(); j.err != nil {
			return
		}
		var v []float32
		if v, j.err = e.Embed(make([]float32, 0, e.Width()), text); j.err != nil {
			return
		}
		j.out.Vectors = append(j.out.Vectors, v)
		j.out.Tokens = append(j.out.Tokens, len(text))
	}
}

// Embed computes the vectors of texts, in order, beside what the engine
// generates. With truncate, a text that is too long loses its end. It fails with
// ErrEmptyPrompt, InputTooLongError, QueueFullError, ErrClosed, the context's
// error, or one that wraps llama.ErrUnsupported where the model has no vectors.
func (e *Engine) Embed(ctx context.Context, texts [][]Token, truncate bool) (Embeddings, error) {
	if e.embedding.make == nil {
		return Embeddings{}, fmt.Errorf("inference: %w: model %q gives no embeddings", llama.ErrUnsupported, e.cfg.Name)
	}
	for i, text := range texts {
		if len(text) == 0 {
			return Embeddings{}, fmt.Errorf("text %d: %w", i, ErrEmptyPrompt)
		}
		for _, t := range text {
			if t < 0 || int(t) >= e.info.VocabSize {
				return Embeddings{}, fmt.Errorf("inference: text %d: token %d: %w, the vocabulary has %d tokens", i, t, llama.ErrArgument, e.info.VocabSize)
			}
		}
	}
	j := &embedJob{ctx: ctx, texts: texts, truncate: truncate, ready: make(chan struct{})}
	w := e.embedding
	select {
	case <-w.quit:
		return Embeddings{}, ErrClosed
	default:
	}
	select {
	case w.jobs <- j:
	default:
		e.cfg.Observer.Rejected(e.cfg.Name, "queue_full")
		return Embeddings{}, &QueueFullError{Waiting: cap(w.jobs), RetryAfter: embedRetry}
	}
	select {
	case <-j.ready:
		return j.out, j.err
	case <-ctx.Done():
		return Embeddings{}, ctx.Err() // the worker skips it
	case <-w.quit:
		return Embeddings{}, ErrClosed
	}
}
