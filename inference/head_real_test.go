package inference

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"repartee/inference/llama"
	"repartee/speculation"
	"repartee/synthetic"
)

var chain = synthetic.Chain{Seed: 11}

func writeModel(tb testing.TB, data []byte) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "chain.gguf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// loadChain loads a model of the chain with a draft head, nil = of its own.
func loadChain(tb testing.TB, model, head []byte, cfg Config) *Engine {
	tb.Helper()
	lc := LoadConfig{Config: cfg, Path: writeModel(tb, model), Threads: 1, KVType: "auto"}
	if head != nil {
		lc.DraftPath = writeModel(tb, head)
	}
	e, err := Load(lc)
	if errors.Is(err, llama.ErrNotBuilt) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatalf("Load = %v", err)
	}
	tb.Cleanup(e.Close)
	return e
}

// chainPrompt is some tokens, and chainText what must follow them.
func chainPrompt(n, first int) (prompt []Token) {
	for i := range n {
		prompt = append(prompt, Token(3+(first*37+i*11)%280))
	}
	return prompt
}

func chainText(e *Engine, prompt []Token, n int) string {
	t, out := int(prompt[len(prompt)-1]), []Token(nil)
	for range n {
		t = chain.Next(t)
		out = append(out, Token(t))
	}
	return e.Detokenize(out)
}

// whole is a text without what may be the beginning of a character at its end.
func whole(text string) string { return strings.TrimRight(text, "\uFFFD") }

// TestHeadsGuessForAnEngine serves many requests at once, some of which share their
// beginnings, leave, or draw their tokens, and expects the words of the model alone
// and first guesses that are right.
func TestHeadsGuessForAnEngine(t *testing.T) {
	f := func(name string, model, head []byte, least float64) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			n := 0
			e := loadChain(t, model, head, Config{Name: "chain", Cells: 2048, Parallel: 4, Speculate: SpeculateDraft, force: func(most int) int { n++; return min(most, 1+n%5) }})
			crowd(t, e, least)
			st := e.Stats().Speculation
			if at := st.ByPlace[speculation.Draft][0]; at.Drafted < 100 || float64(at.Accepted) < 0.95*float64(at.Drafted) {
				t.Errorf("%d of %d first guesses are right, want 0.95 of many", at.Accepted, at.Drafted)
			}
		})
	}
	f("EAGLE-3", chain.Model(), chain.EAGLE3(synthetic.ByToken), 0.9)
	f("EAGLE-3 by state", chain.Model(), chain.EAGLE3(synthetic.ByState), 0)
	f("MTP", chain.MTP(synthetic.ByToken), nil, 0.9)
	f("MTP by state", chain.MTP(synthetic.ByState), nil, 0)
	f("DFlash", chain.Model(), chain.DFlash(4), 0)
}

// crowd asks an engine for many answers at once; of the guesses of a request least
// must be right.
func crowd(t *testing.T, e *Engine, least float64) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			ctx, leave := context.WithCancel(context.Background())
			defer leave()
			prompt := append(chainPrompt(4+i%3*9, 0), chainPrompt(1+i%5, i)...)
			const n = 40
			r := &Request{Prompt: prompt, MaxTokens: n, Sampling: llama.SamplingParams{Logprobs: -1, TopP: 1}}
			if i%4 == 1 {
				r.Sampling = llama.SamplingParams{Logprobs: -1, TopP: 1, Temperature: 0.5, Seed: uint32(i)}
			}
			s, err := e.Submit(ctx, r)
			if err != nil {
				t.Errorf("Submit = %v", err)
				return
			}
			if i%8 == 3 {
				leave()
				_, _, _ = collect(s)
				return
			}
			text, res, err := collect(s)
			if want := chainText(e, prompt, n); err != nil || whole(text) != whole(want) {
				t.Errorf("answer %d = %q, %v, want %q", i, text, err, want)
			}
			if float64(res.Timings.Accepted) < least*float64(res.Timings.Drafted) {
				t.Errorf("answer %d: %d of %d guesses are right, want %.2f", i, res.Timings.Accepted, res.Timings.Drafted, least)
			}
		})
	}
	wg.Wait()
}

// TestAHeadIsUsedWhereItPays answers with heads that are always right and one that was
// made for another language, by the prices of a GPU, where a row more costs next to
// nothing (on a processor a row of so small a model costs a step): the first are asked
// for most tokens, the other hardly any more, and stops reading.
func TestAHeadIsUsedWhereItPays(t *testing.T) {
	f := func(name string, model, head []byte, right bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			e := loadChain(t, model, head, Config{Name: "chain", Cells: 2048, Parallel: 1, Speculate: SpeculateDraft})
			if err := e.errand(func() { cheapRows(e) }); err != nil {
				t.Fatal(err)
			}
			say(t, e, 3, 200)
			before := e.Stats()
			say(t, e, 3, 200)
			after := e.Stats()
			drafted := after.Speculation.Drafted[speculation.Draft] - before.Speculation.Drafted[speculation.Draft]
			steps := after.Steps - before.Steps
			on := false
			if err := e.errand(func() { on = e.sched.guess.model.(*headDrafter).on }); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d guesses and %d steps for 600 tokens, the head reads: %v", drafted, steps, on)
			if right && (!on || steps > 450) {
				t.Errorf("%d steps for 600 tokens, the head reads: %v; want far fewer and true", steps, on)
			}
			if !right && (drafted > 60 || steps < 590 || on) {
				t.Errorf("%d guesses and %d steps for 600 tokens, the head reads: %v; want hardly any, 600 and false", drafted, steps, on)
			}
		})
	}
	f("EAGLE-3", chain.Model(), chain.EAGLE3(synthetic.ByToken), true)
	f("MTP", chain.MTP(synthetic.ByToken), nil, true)
	f("of another language", chain.Model(), synthetic.Chain{Seed: 12}.EAGLE3(synthetic.ByToken), false)
}

// TestAHeadThatNobodyWantsStopsReading serves requests without guesses of the head.
func TestAHeadThatNobodyWantsStopsReading(t *testing.T) {
	for _, mode := range []Speculation{SpeculateOff, SpeculateNgram} {
		e := loadChain(t, chain.Model(), chain.EAGLE3(synthetic.ByToken), Config{Name: "chain", Cells: 512, Parallel: 1, Speculate: SpeculateAuto})
		s, err := e.Submit(context.Background(), &Request{Prompt: chainPrompt(5, 1), MaxTokens: 4 * followSteps, Speculate: mode, Sampling: llama.SamplingParams{Logprobs: -1, TopP: 1}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := collect(s); err != nil {
			t.Fatal(err)
		}
		on := true
		if err := e.errand(func() { on = e.sched.guess.model.(*headDrafter).on }); err != nil || on {
			t.Errorf("speculate %v: after %d tokens the head reads: %v (%v), want false", mode, 4*followSteps, on, err)
		}
	}
}

// say asks for answers one after the other.
func say(t *testing.T, e *Engine, answers, n int) {
	t.Helper()
	for i := range answers {
		prompt := chainPrompt(5, i)
		s, err := e.Submit(context.Background(), &Request{Prompt: prompt, MaxTokens: n, Sampling: llama.SamplingParams{Logprobs: -1, TopP: 1}})
		if err != nil {
			t.Fatal(err)
		}
		text, _, err := collect(s)
		if want := chainText(e, prompt, n); err != nil || whole(text) != whole(want) {
			t.Fatalf("answer %d = %q, %v, want %q", i, text, err, want)
		}
	}
}

// TestAHeadThatDoesNotFitIsRefused names a head of another model, and then none: the
// model's own is found.
func TestAHeadThatDoesNotFitIsRefused(t *testing.T) {
	_, err := Load(LoadConfig{Config: Config{Name: "chain", Cells: 512}, Threads: 1, Path: writeModel(t, chain.MTP(synthetic.ByToken)), DraftPath: writeModel(t, chain.EAGLE3(synthetic.ByToken))})
	if errors.Is(err, llama.ErrNotBuilt) {
		t.Skip(err)
	}
	if want := "does not give the hidden states"; !errors.Is(err, llama.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), want) {
		t.Errorf("Load = %v, want %v: %q", err, llama.ErrUnsupported, want)
	}
	var log strings.Builder
	e, err := Load(LoadConfig{
		Config: Config{Name: "chain", Cells: 512, Log: slog.New(slog.NewTextHandler(&log, nil))}, Threads: 1,
		Path: writeModel(t, chain.MTP(synthetic.ByToken)),
	})
	if err != nil {
		t.Fatalf("Load = %v", err)
	}
	e.Close()
	if !strings.Contains(log.String(), "draft head resident") || !strings.Contains(log.String(), "kind=mtp") {
		t.Errorf("the log does not speak of the model's own head: %s", log.String())
	}
}
