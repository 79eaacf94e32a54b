package inference

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"repartee/inference/llama"
	"repartee/speculation"

	"pgregory.net/rapid"
)

// Guesses of any depth, right or wrong, change no answer: not with cancels, full
// memory, stop strings, ends, priorities, predictions or shared prefixes.
func TestGuessesChangeNoAnswer(t *testing.T) {
	var drafted, accepted, byModel int64
	mix := func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		cfg := Config{
			Parallel:      rapid.IntRange(1, 6).Draw(t, "parallel"),
			BatchRows:     rapid.IntRange(8, 64).Draw(t, "rows"),
			StepBudget:    time.Duration(rapid.IntRange(1, 200).Draw(t, "budget")) * time.Millisecond,
			Deterministic: rapid.Bool().Draw(t, "ordered"),
			force:         func(n int) int { return rng.IntN(n + 1) },
		}
		var log bytes.Buffer
		cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		cells := rapid.IntRange(150, 1200).Draw(t, "cells")
		second := &fakeModel{vocab: 20, wrong: rapid.IntRange(1, 9).Draw(t, "draft")}
		heads := second.wrong > 1 && rapid.Bool().Draw(t, "a head")
		if heads {
			cfg.Draft = &DraftModel{Head: llama.Head{Kind: rapid.SampledFrom([]llama.HeadKind{llama.EAGLE3, llama.DFlash}).Draw(t, "kind"), Most: rapid.IntRange(1, 9).Draw(t, "deep")}}
		} else if second.wrong > 1 {
			ctx := newFakeContext(second, cells)
			cfg.Draft = &DraftModel{Model: second, Context: ctx}
			if every := rapid.IntRange(0, 60).Draw(t, "draft fails"); every > 40 {
				ctx.fail = func(step int) error {
					if step%every == 0 {
						return llama.ErrAborted
					}
					return nil
				}
			}
		}
		b := newBench(cells, cfg, func(c *fakeContext) {
			if heads {
				c.head, c.blind = second, map[llama.SeqID]bool{}
			}
		})
		b.model.eog, b.model.copy = rapid.Bool().Draw(t, "eog"), rapid.IntRange(0, 5).Draw(t, "copy")
		second.eog, second.copy = b.model.eog, b.model.copy
		defer func() {
			if b.Close(); log.Len() > 0 {
				t.Fatalf("log: %s", log.String())
			}
		}()
		type job struct {
			prompt, stop string
			n, most      int
			cancel       bool
			off          bool
			predict      int
			draft        bool
		}
		jobs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) job {
			return job{
				prompt: strings.Repeat("system ", rapid.IntRange(0, 8).Draw(t, "shared")) + rapid.StringMatching(`[a-c]{1,12}`).Draw(t, "own"),
				stop:   rapid.SampledFrom([]string{"", "", "ab", "bbb"}).Draw(t, "stop"),
				n:      rapid.IntRange(1, 60).Draw(t, "n"), most: rapid.IntRange(0, 4).Draw(t, "most"),
				cancel: rapid.IntRange(0, 7).Draw(t, "cancel") == 0, off: rapid.IntRange(0, 5).Draw(t, "off") == 0,
				predict: rapid.IntRange(0, 60).Draw(t, "predict"), draft: second.wrong > 1 && rapid.Bool().Draw(t, "draft model"),
			}
		}), 1, 12).Draw(t, "jobs")
		var wg sync.WaitGroup
		errs := make(chan error, len(jobs))
		for i, j := range jobs {
			wg.Go(func() {
				whole := b.model.generate(tokens(j.prompt), j.n)
				want := whole
				r := &Request{Prompt: tokens(j.prompt), MaxTokens: j.n, DraftMax: j.most, Namespace: []string{"", "b"}[i%2], Priority: Priority(i % 3 / 2)}
				if j.predict > 0 { // right at first, then not
					r.Prediction = tokens(want[:min(j.predict, len(want))] + "xyz" + want)
				}
				if j.stop != "" {
					r.Stop = []string{j.stop}
					want, _, _ = strings.Cut(want, j.stop)
				}
				if j.draft {
					r.Speculate = SpeculateDraft
				}
				if j.off {
					r.Speculate = SpeculateOff
				}
				got, res, err := b.left(r, j.cancel)
				switch {
				case err != nil:
					errs <- err
				case res.Finish == FinishCancelled && j.cancel && strings.HasPrefix(whole, got): // also what a stop string held back
				case got != want:
					errs <- fmt.Errorf("answer to %q = %q (%+v), want %q", j.prompt, got, res, want)
				case j.off && res.Timings.Drafted > 0:
					errs <- fmt.Errorf("%d guesses for a request without", res.Timings.Drafted)
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			t.Fatal(err)
		}
		st := b.Stats().Speculation
		byModel += st.Accepted[speculation.Draft]
		for i := range st.Drafted {
			drafted, accepted = drafted+st.Drafted[i], accepted+st.Accepted[i]
		}
	}
	for range 10 { // a thousand mixes
		rapid.Check(t, mix)
	}
	if byModel < 1000 || accepted < 1000 || drafted-accepted < 1000 {
		t.Fatalf("%d guesses, %d of them right: the mixes try too little", drafted, accepted)
	}
	t.Logf("%d guesses, %d of them right, %d by the draft model", drafted, accepted, byModel)
}

func TestARepeatedAnswerIsGuessed(t *testing.T) {
	b := newBench(4096, Config{Parallel: 1, force: func(n int) int { return n }})
	defer b.Close()
	f := func(space string, r Request, most int, source int, drafted bool) {
		t.Helper()
		before, steps := b.Stats().Speculation, b.Stats().Steps
		r.Prompt, r.MaxTokens, r.Namespace = tokens("a prompt"), 120, space
		got, res, err := b.ask(context.Background(), &r)
		if want := b.model.generate(tokens("a prompt"), 120); err != nil || got != want {
			t.Fatalf("answer = %q, %v, want %q", got, err, want)
		}
		after := b.Stats().Speculation
		if n := after.Accepted[source] - before.Accepted[source]; drafted != (n > 80) {
			t.Fatalf("%d right guesses (%+v), want many: %v", n, res.Timings, drafted)
		}
		if took := b.Stats().Steps - steps; drafted && took > int64(most) {
			t.Fatalf("%d steps, want at most %d", took, most)
		}
	}
	f("a", Request{}, 0, 1, false)
	f("a", Request{}, 30, 1, true)
	f("a", Request{Speculate: SpeculateOff}, 0, 1, false)
	f("b", Request{}, 0, 1, false) // another namespace knows nothing of it
	f("c", Request{Prediction: tokens(b.model.generate(tokens("a prompt"), 120))}, 12, 2, true)
}

// Idle prefixes fill the cells of a server that has run for a while; they make way
// for guesses as they do for tokens.
func TestGuessesFindRoomInAFullCache(t *testing.T) {
	f := func(name string, before int) {
		t.Helper()
		b := newBench(600, Config{Parallel: 1, force: func(n int) int { return n }})
		defer b.Close()
		for i := range before {
			if _, _, err := b.ask(context.Background(), &Request{Prompt: tokens(strings.Repeat(string(rune('a'+i)), 50)), MaxTokens: 50}); err != nil {
				t.Fatal(err)
			}
		}
		steps := b.Stats().Steps
		want := b.model.generate(tokens("a prompt"), 300)
		got, res, err := b.ask(context.Background(), &Request{Prompt: tokens("a prompt"), MaxTokens: 300, Prediction: tokens(want)})
		if err != nil || got != want {
			t.Fatalf("%s: answer = %q, %v, want %q", name, got, err, want)
		}
		if took := b.Stats().Steps - steps; took > 12 {
			t.Errorf("%s: %d steps for 300 predicted tokens (%+v), want at most 12", name, took, res.Timings)
		}
	}
	f("empty", 0)
	f("full", 12)
}

// A guess that was turned down is compared with what the model says in its place.
func TestWhatIsTurnedDownIsJudged(t *testing.T) {
	f := func(name string, right int, less, more float64) {
		t.Helper()
		b := newBench(4096, Config{Parallel: 1, force: func(int) int { return 0 }})
		defer b.Close()
		prompt := tokens("a prompt")
		want := b.model.generate(prompt, 60)
		guess := want[:right] + strings.Repeat("?", 60-right)
		if got, _, err := b.ask(context.Background(), &Request{Prompt: prompt, MaxTokens: 60, Prediction: tokens(guess)}); err != nil || got != want {
			t.Fatalf("%s: answer = %q, %v, want %q", name, got, err, want)
		}
		prior, chance := speculation.NewRates(nil).At(speculation.Prediction, 0, 0), 0.0
		var drafted [speculation.Sources]int64
		if err := b.errand(func() {
			chance, drafted = b.sched.guess.rates[0].At(speculation.Prediction, 0, 0), b.sched.guess.stats.Drafted
		}); err != nil {
			t.Fatal(err)
		}
		if chance < prior+less || chance > prior+more || drafted != [speculation.Sources]int64{} {
			t.Errorf("%s: the chance of a guess went from %.2f to %.2f with %v guesses verified, want it to change by %.2f … %.2f with none", name, prior, chance, drafted, less, more)
		}
	}
	f("a right prediction", 60, 0.01, 1)
	f("one that is wrong behind the first word", 1, -1, -0.01)
}

// With Synthetic, what was answered before is guessed with the chosen chance, and
// nothing else is.
func TestSyntheticGuesses(t *testing.T) {
	b := newBench(4096, Config{Parallel: 1, Synthetic: 0.8, force: func(n int) int { return min(n, 1) }})
	defer b.Close()
	ask := func(prompt string) Timings {
		t.Helper()
		got, res, err := b.ask(context.Background(), &Request{Prompt: tokens(prompt), MaxTokens: 2000})
		if want := b.model.generate(tokens(prompt), 2000); err != nil || got != want {
			t.Fatalf("answer = %q, %v, want %q", got, err, want)
		}
		return res.Timings
	}
	if got := ask("a prompt"); got.Drafted != 0 {
		t.Errorf("first answer: %d guesses, want none", got.Drafted)
	}
	got := ask("a prompt")
	if share := float64(got.Accepted) / float64(got.Drafted); got.Drafted < 500 || math.Abs(share-0.8) > 0.06 {
		t.Errorf("second answer: %d guesses, %.2f of them right, want many and 0.8", got.Drafted, share)
	}
	if got := ask("another prompt"); got.Drafted != 0 {
		t.Errorf("another prompt: %d guesses, want none", got.Drafted)
	}
	if st := b.Stats().Speculation; st.Drafted[speculation.Synthetic] != int64(got.Drafted) {
		t.Errorf("Drafted[Synthetic] = %d, want %d", st.Drafted[speculation.Synthetic], got.Drafted)
	}
}

// Sampled tokens keep their distribution when guesses are verified: all answers of
// three tokens from a vocabulary of four, against their exact probabilities.
func TestGuessesKeepTheDistribution(t *testing.T) {
	const vocabulary, length, n = 4, 3, 6000
	weights := func(attended []Token) (w [vocabulary]float64) {
		sum := 0.0
		for i := range w {
			w[i] = 1 + float64(i*i) + float64((int(attended[len(attended)-1])*(i+3))%5)
			sum += w[i]
		}
		for i := range w {
			w[i] /= sum
		}
		return w
	}
	rng := rand.New(rand.NewPCG(7, 8))
	draft := &fakeModel{vocab: vocabulary}
	second := newFakeContext(draft, 256)
	second.draw = func(attended []Token) Token { // the likeliest, as a draft model has it
		best, w := 0, weights(attended)
		for i := range w {
			if w[i] > w[best] {
				best = i
			}
		}
		return Token('a' + best)
	}
	b := newBench(256, Config{Parallel: 1, force: func(n int) int { return n }, Draft: &DraftModel{Model: draft, Context: second}})
	defer b.Close()
	b.ctx.draw = func(attended []Token) Token {
		x, w := rng.Float64(), weights(attended)
		for i := range w {
			if x -= w[i]; x < 0 {
				return Token('a' + i)
			}
		}
		return 'a' + vocabulary - 1
	}
	count := map[string]int{}
	for range n {
		got, _, err := b.ask(context.Background(), &Request{Prompt: tokens("pq"), MaxTokens: length, Speculate: SpeculateDraft})
		if err != nil {
			t.Fatal(err)
		}
		count[got]++
	}
	chi := 0.0
	for x := range vocabulary * vocabulary * vocabulary {
		text, p := "", 1.0
		for at := []Token{'q'}; len(text) < length; x /= vocabulary {
			p *= weights(at)[x%vocabulary]
			at = append(at, Token('a'+x%vocabulary))
			text += string(rune('a' + x%vocabulary))
		}
		want := p * n
		chi += (float64(count[text]) - want) * (float64(count[text]) - want) / want
	}
	free := float64(vocabulary*vocabulary*vocabulary - 1)
	if bound := free + 4.5*math.Sqrt(2*free) + 6; chi > bound { // less than once in 100 000
		t.Errorf("chi-square %.1f, want at most %.1f", chi, bound)
	}
	st := b.Stats().Speculation
	if right, all := st.Accepted[speculation.Draft], st.Drafted[speculation.Draft]; right < n/10 || all-right < n/10 {
		t.Errorf("%d of %d guesses accepted, want many of both kinds", right, all)
	}
}

// What is printed of the controller agrees with its counters.
func TestDebugSpeculation(t *testing.T) {
	draft := &fakeModel{vocab: 20, wrong: 3}
	b := newBench(4096, Config{Parallel: 1, force: func(n int) int { return n }, Draft: &DraftModel{Model: draft, Context: newFakeContext(draft, 4096)}})
	if _, _, err := b.ask(context.Background(), &Request{Prompt: tokens("a prompt"), MaxTokens: 60, Speculate: SpeculateDraft}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := b.DebugSpeculation(&out); err != nil {
		t.Fatal(err)
	}
	st := b.Stats().Speculation
	row := regexp.MustCompile(`(?m)^draft +(\d+) +(\d+) +(\d+)/(\d+)`).FindStringSubmatch(out.String())
	first := st.ByPlace[speculation.Draft][0]
	want := []string{fmt.Sprint(st.Drafted[speculation.Draft]), fmt.Sprint(st.Accepted[speculation.Draft]), fmt.Sprint(first.Accepted), fmt.Sprint(first.Drafted)}
	if len(row) < 5 || !slices.Equal(row[1:], want) || first.Accepted == 0 || first.Accepted == first.Drafted {
		t.Errorf("the draft model's line is %q, want the figures %q, of both kinds, in\n%s", row, want, &out)
	}
	if st.Model.Steps == 0 || st.Model.Rows < st.Model.Steps {
		t.Errorf("%+v, want steps of the draft model", st.Model)
	}
	sum := int64(0)
	for _, at := range st.ByPlace[speculation.Draft] {
		sum += at.Drafted
	}
	if sum != st.Drafted[speculation.Draft] {
		t.Errorf("%d guesses by place, %d in all", sum, st.Drafted[speculation.Draft])
	}
	b.Close()
	if err := b.DebugSpeculation(&out); err != ErrClosed {
		t.Errorf("DebugSpeculation of a closed engine = %v, want %v", err, ErrClosed)
	}
}
