package inference

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is an engine over the fake model.
type bench struct {
	*Engine
	model *fakeModel
	ctx   *fakeContext
}

func newBench(cells int, cfg Config, prepare ...func(*fakeContext)) *bench {
	m := &fakeModel{vocab: 20}
	c := newFakeContext(m, cells)
	for _, f := range prepare {
		f(c)
	}
	cfg.Name, cfg.Cells = "fake", cells
	return &bench{New(m, c, cfg), m, c}
}

func tokens(text string) []Token {
	out, _ := (&fakeModel{}).Tokenize(nil, text, false, false)
	return out
}

// ask submits and reads to the end.
func (b *bench) ask(ctx context.Context, r *Request) (string, Result, error) {
	s, err := b.Submit(ctx, r)
	if err != nil {
		return "", Result{}, err
	}
	return collect(s)
}

// left is ask by a client that leaves at once if so.
func (b *bench) left(r *Request, so bool) (string, Result, error) {
	s, err := b.Submit(context.Background(), r)
	if err != nil {
		return "", Result{}, err
	}
	if so {
		s.Close()
	}
	return collect(s)
}

func collect(s *Stream) (string, Result, error) {
	var text strings.Builder
	for {
		c, err := s.Next(context.Background())
		text.WriteString(c.Text)
		if errors.Is(err, io.EOF) {
			return text.String(), s.Result(), nil
		}
		if err != nil {
			return text.String(), s.Result(), err
		}
	}
}

func TestAnswerDependsOnThePromptAlone(t *testing.T) {
	b := newBench(4096, Config{})
	defer b.Close()
	f := func(prompt string, n, wantCached int) {
		t.Helper()
		got, res, err := b.ask(context.Background(), &Request{Prompt: tokens(prompt), MaxTokens: n})
		if want := b.model.generate(tokens(prompt), n); got != want || err != nil {
			t.Fatalf("answer to %q = %q (%v), want %q", prompt, got, err, want)
		}
		if res.Finish != FinishLength || res.CompletionTokens != n || res.PromptTokens != len(prompt) || res.CachedTokens != wantCached {
			t.Fatalf("result for %q = %+v, want length after %d tokens with %d of %d prompt tokens cached", prompt, res, n, wantCached, len(prompt))
		}
	}
	f("a first prompt", 9, 0)
	f("a first prompt", 9, 13) // all but the token that is computed for its logits
	f("a first prompt and more of it", 5, 14)
	f("another", 3, 1)
	next := "a first prompt" + b.model.generate(tokens("a first prompt"), 9)
	f(next+" next turn", 4, len(next)-1) // the last token was sampled, never computed
}

func TestManyAtOnceGetTheirOwnAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Parallel:   rapid.IntRange(1, 6).Draw(t, "parallel"),
			BatchRows:  rapid.IntRange(8, 64).Draw(t, "rows"),
			StepBudget: time.Duration(rapid.IntRange(1, 200).Draw(t, "budget")) * time.Millisecond,
		}
		b := newBench(rapid.IntRange(150, 1200).Draw(t, "cells"), cfg)
		b.model.eog = rapid.Bool().Draw(t, "eog")
		defer b.Close()
		type job struct {
			prompt string
			n      int
			cancel bool
		}
		jobs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) job {
			return job{
				prompt: strings.Repeat("system ", rapid.IntRange(0, 8).Draw(t, "shared")) + rapid.StringMatching(`[a-c]{1,12}`).Draw(t, "own"),
				n:      rapid.IntRange(1, 40).Draw(t, "n"),
				cancel: rapid.IntRange(0, 5).Draw(t, "cancel") == 0,
			}
		}), 1, 16).Draw(t, "jobs")
		var wg sync.WaitGroup
		errs := make(chan error, len(jobs))
		for _, j := range jobs {
			wg.Go(func() {
				got, res, err := b.left(&Request{Prompt: tokens(j.prompt), MaxTokens: j.n}, j.cancel)
				want := b.model.generate(tokens(j.prompt), j.n)
				switch {
				case err != nil:
					errs <- err
				case res.Finish == FinishCancelled && j.cancel && strings.HasPrefix(want, got):
				case got != want:
					errs <- fmt.Errorf("answer to %q = %q (%+v), want %q", j.prompt, got, res, want)
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			t.Fatal(err)
		}
	})
}

func TestStops(t *testing.T) {
	b := newBench(1024, Config{})
	defer b.Close()
	full := b.model.generate(tokens("stop"), 40)
	f := func(stops []string, want string, finish FinishReason) {
		t.Helper()
		got, res, err := b.ask(context.Background(), &Request{Prompt: tokens("stop"), MaxTokens: 40, Stop: stops})
		if got != want || res.Finish != finish || err != nil {
			t.Fatalf("with stops %q = %q, %s (%v); want %q, %s", stops, got, res.Finish, err, want, finish)
		}
	}
	f([]string{full[10:14]}, full[:strings.Index(full, full[10:14])], FinishStop)
	f([]string{full[20:22], full[5:9]}, full[:min(strings.Index(full, full[20:22]), strings.Index(full, full[5:9]))], FinishStop)
	f([]string{full[30:] + "never"}, full, FinishLength) // held back as a possible stop, sent at the end
	f([]string{""}, full, FinishLength)
}

func TestRefusals(t *testing.T) {
	b := newBench(64, Config{Parallel: 1, MaxQueue: 1})
	b.ctx.gate = make(chan struct{})
	defer b.Close()
	defer close(b.ctx.gate)
	submit := func(prompt string) (*Stream, error) {
		return b.Submit(context.Background(), &Request{Prompt: tokens(prompt), MaxTokens: 2})
	}
	if _, err := submit(""); !errors.Is(err, ErrEmptyPrompt) {
		t.Fatalf("Submit of no token = %v, want ErrEmptyPrompt", err)
	}
	var long *PromptTooLongError
	if _, err := submit(strings.Repeat("x", 64)); !errors.As(err, &long) || long.Prompt != 64 || long.Context != 64 {
		t.Fatalf("Submit of 64 tokens into 64 cells = %v, want PromptTooLongError{64, 64}", err)
	}
	if _, err := b.Submit(context.Background(), &Request{Prompt: []Token{300}}); err == nil {
		t.Fatal("Submit of token 300 of 256 = nil, want an error")
	}
	for i := range 2 { // one runs, one waits
		if _, err := submit("fits"); err != nil {
			t.Fatalf("Submit %d = %v, want nil", i, err)
		}
	}
	var full *QueueFullError
	if _, err := submit("too many"); !errors.As(err, &full) || full.RetryAfter < time.Second {
		t.Fatalf("Submit beyond the queue = %v, want QueueFullError with at least a second", err)
	}
}

func TestCommonPrefixIsReadOnce(t *testing.T) {
	b := newBench(4096, Config{Parallel: 8})
	b.ctx.gate = make(chan struct{}, 1)
	system := strings.Repeat("the same long system prompt ", 30)
	var streams []*Stream
	own := 0
	for i := range 8 {
		prompt := fmt.Sprintf("%squestion %d", system, i)
		own += len(prompt) - len(system)
		s, err := b.Submit(context.Background(), &Request{Prompt: tokens(prompt), MaxTokens: 3})
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
	}
	close(b.ctx.gate)
	for i, s := range streams {
		got, _, err := collect(s)
		if want := b.model.generate(tokens(fmt.Sprintf("%squestion %d", system, i)), 3); got != want || err != nil {
			t.Fatalf("answer %d = %q (%v), want %q", i, got, err, want)
		}
	}
	b.Close()
	if ideal := len(system) + own + 8*2; b.ctx.rows > ideal*11/10 {
		t.Fatalf("8 requests with one system prompt computed %d rows, want at most 1.1 × %d", b.ctx.rows, ideal)
	}
}

func TestCancelFreesThePlace(t *testing.T) {
	b := newBench(4096, Config{Parallel: 1})
	b.ctx.gate = make(chan struct{})
	ctx, cancel := context.WithCancel(context.Background())
	long, err := b.Submit(ctx, &Request{Prompt: tokens(strings.Repeat("long prompt ", 200)), MaxTokens: 5})
	if err != nil {
		t.Fatal(err)
	}
	b.ctx.gate <- struct{}{} // the first chunk is being read
	cancel()
	short, err := b.Submit(context.Background(), &Request{Prompt: tokens("short"), MaxTokens: 2})
	if err != nil {
		t.Fatal(err)
	}
	close(b.ctx.gate)
	if _, res, err := collect(long); res.Finish != FinishCancelled || err != nil {
		t.Fatalf("the cancelled request ended with %s (%v), want cancelled", res.Finish, err)
	}
	if got, _, err := collect(short); got != b.model.generate(tokens("short"), 2) || err != nil {
		t.Fatalf("the next request got %q (%v)", got, err)
	}
	b.Close()
	if b.ctx.rows > 1000 {
		t.Fatalf("%d rows computed, want the abandoned prompt of 2400 tokens not read on", b.ctx.rows)
	}
}

func TestAFailedStepHurtsNobodyLater(t *testing.T) {
	b := newBench(512, Config{})
	boom := errors.New("boom")
	b.ctx.fail = func(step int) error {
		if step == 3 {
			return boom
		}
		return nil
	}
	defer b.Close()
	if _, res, err := b.ask(context.Background(), &Request{Prompt: tokens("one"), MaxTokens: 9}); !errors.Is(err, boom) || res.Finish != FinishError {
		t.Fatalf("the request in the failed step ended with %v, %s; want boom, error", err, res.Finish)
	}
	if got, _, err := b.ask(context.Background(), &Request{Prompt: tokens("one"), MaxTokens: 9}); got != b.model.generate(tokens("one"), 9) || err != nil {
		t.Fatalf("the next request got %q (%v)", got, err)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	b := newBench(512, Config{Parallel: 1})
	b.ctx.gate = make(chan struct{}, 100)
	b.ctx.gate <- struct{}{}
	running, _ := b.Submit(context.Background(), &Request{Prompt: tokens("one")})
	waiting, _ := b.Submit(context.Background(), &Request{Prompt: tokens("two")})
	close(b.ctx.gate)
	b.Close()
	for _, s := range []*Stream{running, waiting} {
		if _, res, err := collect(s); !errors.Is(err, ErrClosed) && res.Finish != FinishLength {
			t.Fatalf("a request at Close ended with %v, %s; want ErrClosed", err, res.Finish)
		}
	}
	if _, err := b.Submit(context.Background(), &Request{Prompt: tokens("late")}); !errors.Is(err, ErrClosed) {
		t.Fatalf("Submit after Close = %v, want ErrClosed", err)
	}
	if !b.ctx.closed {
		t.Fatal("the context was not closed")
	}
}
