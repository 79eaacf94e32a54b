package inference

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// read waits until a prefix is read and returns how the reading ended.
func read(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *Stream, err error) Result {
	t.Helper()
	if err != nil {
		t.Fatalf("Prefill: %v", err)
	}
	text, res, err := collect(s)
	if text != "" || err != nil {
		t.Fatalf("Prefill's stream = %q (%v), want its end alone", text, err)
	}
	return res
}

func TestATurnIsReadWhileItIsTyped(t *testing.T) {
	b := newBench(4096, Config{})
	defer b.Close()
	typed, last := "", ""
	write := func(text string, wantCached int) {
		t.Helper()
		last, typed = typed, text
		s, err := b.Prefill(context.Background(), &Prefix{Tokens: tokens(typed), Replaces: tokens(last)})
		if res := read(t, s, err); res.Finish != FinishStop || res.CachedTokens != wantCached {
			t.Fatalf("Prefill(%q) = %+v, want stop with %d cached tokens", typed, res, wantCached)
		}
		if used := b.Stats().Cache.Used; used != len(typed) {
			t.Fatalf("after Prefill(%q) behind %q, %d cells are used, want %d", typed, last, used, len(typed))
		}
	}
	write("what is", 0)
	write("what is the capital of", 7)
	write("what is the largest city in France", 12)
	write("what is", 7)
	write("what is", 7)
	write("what is the capital of Spain?", 7)
	prompt := typed + "|answer:"
	got, res, err := b.ask(context.Background(), &Request{Prompt: tokens(prompt), MaxTokens: 8})
	if want := b.model.generate(tokens(prompt), 8); got != want || err != nil {
		t.Fatalf("answer to the committed turn = %q (%v), want %q", got, err, want)
	}
	if res.CachedTokens != len(typed) {
		t.Fatalf("the committed turn found %d cached tokens, want the %d that were typed", res.CachedTokens, len(typed))
	}
	if ahead := b.Stats().AheadTokens; ahead == 0 {
		t.Fatalf("Stats().AheadTokens = 0 after prefixes were read")
	}
}

func TestReplacingDoesNotTakeWhatOthersShare(t *testing.T) {
	b := newBench(4096, Config{})
	defer b.Close()
	if _, _, err := b.ask(context.Background(), &Request{Prompt: tokens("tell me about the sea"), MaxTokens: 4}); err != nil {
		t.Fatal(err)
	}
	s, err := b.Prefill(context.Background(), &Prefix{Tokens: tokens("tell me about the s")})
	read(t, s, err)
	s, err = b.Prefill(context.Background(), &Prefix{Tokens: tokens("tell him"), Replaces: tokens("tell me about the s")})
	read(t, s, err)
	_, res, err := b.ask(context.Background(), &Request{Prompt: tokens("tell me about the sea and"), MaxTokens: 4})
	if err != nil || res.CachedTokens < len("tell me about the sea") {
		t.Fatalf("a prompt that another conversation began found %d cached tokens (%v), want %d", res.CachedTokens, err, len("tell me about the sea"))
	}
}

func TestReadingAheadGivesWay(t *testing.T) {
	b := newBench(4096, Config{Parallel: 1, MaxQueue: 1, BatchRows: 8})
	b.ctx.gate = make(chan struct{})
	stop := make(chan struct{})
	defer func() { close(stop); b.Close() }()
	long := strings.Repeat("a long dictated turn ", 20)
	slow, err := b.Prefill(context.Background(), &Prefix{Tokens: tokens(long)})
	if err != nil {
		t.Fatal(err)
	}
	b.ctx.gate <- struct{}{} // it is being read now and holds the only place
	ask, err := b.Submit(context.Background(), &Request{Prompt: tokens("quick"), MaxTokens: 3})
	if err != nil {
		t.Fatalf("Submit beside reading ahead: %v", err)
	}
	if _, err := b.Prefill(context.Background(), &Prefix{Tokens: tokens("another")}); err == nil {
		t.Error("Prefill beside a waiting request was taken, want QueueFullError")
	} else if full := (*QueueFullError)(nil); !errors.As(err, &full) {
		t.Errorf("Prefill beside a waiting request: %v, want QueueFullError", err)
	}
	go func() {
		for {
			select {
			case b.ctx.gate <- struct{}{}:
			case <-stop:
				return
			}
		}
	}()
	got, _, err := collect(ask)
	if want := b.model.generate(tokens("quick"), 3); got != want || err != nil {
		t.Errorf("answer beside reading ahead = %q (%v), want %q", got, err, want)
	}
	if _, res, err := collect(slow); res.Finish != FinishCancelled || err != nil {
		t.Errorf("reading ahead that gave way ended with %+v (%v), want cancelled", res, err)
	}
}

func TestACommittedTurnTakesOverWhatIsBeingRead(t *testing.T) {
	b := newBench(8192, Config{BatchRows: 16})
	b.ctx.gate = make(chan struct{})
	stop := make(chan struct{})
	defer func() { close(stop); b.Close() }()
	long := strings.Repeat("dictated turn ", 30)
	if _, err := b.Prefill(context.Background(), &Prefix{Tokens: tokens(long)}); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		b.ctx.gate <- struct{}{}
	}
	ask, err := b.Submit(context.Background(), &Request{Prompt: tokens(long + "!"), MaxTokens: 3})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			select {
			case b.ctx.gate <- struct{}{}:
			case <-stop:
				return
			}
		}
	}()
	got, res, err := collect(ask)
	if want := b.model.generate(tokens(long+"!"), 3); got != want || err != nil {
		t.Fatalf("answer = %q (%v), want %q", got, err, want)
	}
	if res.CachedTokens < 3*16 {
		t.Errorf("%d tokens were taken over from the unfinished reading, want at least three steps of 16", res.CachedTokens)
	}
}

func TestPrefillRefusesWhatItCannotRead(t *testing.T) {
	b := newBench(64, Config{})
	f := func(want any, p *Prefix) {
		t.Helper()
		if _, err := b.Prefill(context.Background(), p); err == nil || !errors.As(err, want) {
			t.Errorf("Prefill of %d tokens: %v, want %T", len(p.Tokens), err, want)
		}
	}
	f(new(*PromptTooLongError), &Prefix{Tokens: make([]Token, 64)})
	if _, err := b.Prefill(context.Background(), &Prefix{}); !errors.Is(err, ErrEmptyPrompt) {
		t.Errorf("Prefill of nothing: %v, want %v", err, ErrEmptyPrompt)
	}
	for _, p := range []*Prefix{{Tokens: []Token{1000}}, {Tokens: []Token{1}, Replaces: []Token{-1}}} {
		if _, err := b.Prefill(context.Background(), p); err == nil {
			t.Errorf("Prefill(%v) was taken, want an error about the token", p)
		}
	}
	b.Close()
	if _, err := b.Prefill(context.Background(), &Prefix{Tokens: []Token{1}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Prefill of a closed engine: %v, want %v", err, ErrClosed)
	}
}

// TestTypingChangesNoAnswer types random turns, with corrections, beside requests.
func TestTypingChangesNoAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(rapid.IntRange(200, 800).Draw(t, "cells"), Config{
			Parallel: rapid.IntRange(1, 4).Draw(t, "parallel"), BatchRows: rapid.IntRange(8, 32).Draw(t, "rows"),
			StepBudget: time.Duration(rapid.IntRange(1, 100).Draw(t, "budget")) * time.Millisecond, Deterministic: rapid.Bool().Draw(t, "deterministic"),
		})
		defer b.Close()
		type turn struct {
			typed []string
			wait  bool
		}
		turns := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) turn {
			return turn{rapid.SliceOfN(rapid.StringMatching(`(ab ){0,9}[a-c]{1,20}`), 1, 5).Draw(t, "typed"), rapid.Bool().Draw(t, "wait")}
		}), 1, 8).Draw(t, "turns")
		var wg sync.WaitGroup
		errs := make(chan string, len(turns))
		for _, turn := range turns {
			wg.Go(func() {
				last := ""
				for _, text := range turn.typed {
					s, err := b.Prefill(context.Background(), &Prefix{Tokens: tokens(text), Replaces: tokens(last)})
					if err != nil {
						continue // requests wait: reading ahead is a courtesy
					}
					last = text
					if turn.wait {
						_, _, _ = collect(s) // cancelled ones end too
					}
					s.Close()
				}
				prompt := turn.typed[len(turn.typed)-1] + "|"
				got, _, err := b.ask(context.Background(), &Request{Prompt: tokens(prompt), MaxTokens: 10})
				if want := b.model.generate(tokens(prompt), 10); err != nil || got != want {
					errs <- "answer to " + prompt + " = " + got + ", want " + want
				}
			})
		}
		wg.Wait()
		close(errs)
		for e := range errs {
			t.Fatal(e)
		}
		if n := b.Stats().Running; n != 0 {
			t.Fatalf("Stats().Running = %d behind the end, want 0", n)
		}
	})
}
