package inference

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"repartee/kvcache/tier"

	"pgregory.net/rapid"
)

// Requests that shift, and others beside them, get what each would get alone: with
// guesses of any depth, a draft model, cancels, priorities and tiers of cells so small
// that they push each other out.
func TestShiftsChangeNoOtherAnswer(t *testing.T) {
	shifts, drafted, restored := int64(0), int64(0), int64(0)
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		cfg := Config{
			Parallel: rapid.IntRange(1, 5).Draw(t, "parallel"), BatchRows: rapid.IntRange(8, 64).Draw(t, "rows"),
			StepBudget:    time.Duration(rapid.IntRange(5, 100).Draw(t, "budget")) * time.Millisecond,
			Deterministic: rapid.Bool().Draw(t, "ordered"), force: func(n int) int { return rng.IntN(n + 1) },
		}
		if rapid.IntRange(0, 2).Draw(t, "speculate") == 0 {
			cfg.Speculate = SpeculateOff
		}
		cells := rapid.IntRange(100, 500).Draw(t, "cells")
		second := &fakeModel{vocab: 20, wrong: rapid.IntRange(1, 9).Draw(t, "draft")}
		if second.wrong > 1 {
			cfg.Draft = &DraftModel{Model: second, Context: newFakeContext(second, cells)}
		}
		if rapid.Bool().Draw(t, "tiers") {
			store, err := tier.Open(tier.Config{Host: 1 << 20, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			cfg.Tiers, cfg.fixed = store, true // the fake computes quicker than it restores
		}
		var log bytes.Buffer
		cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
		b := newBench(cells, cfg)
		b.model.eog, b.model.copy = rapid.IntRange(0, 3).Draw(t, "eog") == 0, rapid.IntRange(0, 5).Draw(t, "copy")
		second.eog, second.copy = b.model.eog, b.model.copy
		defer func() {
			if b.Close(); log.Len() > 0 {
				t.Fatalf("log: %s", log.String())
			}
			if n := b.sched.tree.Stats().Running; n > 0 {
				t.Fatalf("%d sequences run on", n)
			}
		}()
		type job struct {
			head, turns, n int
			shift, cancel  bool
			batch          Priority
		}
		jobs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) job {
			return job{
				head: rapid.IntRange(0, 4).Draw(t, "head"), turns: rapid.IntRange(0, 4).Draw(t, "turns"), n: rapid.IntRange(1, 700).Draw(t, "n"),
				shift: rapid.IntRange(0, 3).Draw(t, "shift") > 0, cancel: rapid.IntRange(0, 7).Draw(t, "cancel") == 0, batch: Priority(rapid.IntRange(0, 1).Draw(t, "batch")),
			}
		}), 1, 6).Draw(t, "jobs")
		var wg sync.WaitGroup
		errs := make(chan error, len(jobs))
		for i, j := range jobs {
			wg.Go(func() {
				c := &ContextShift{}
				text := strings.Repeat("head ", j.head)
				c.Keep = len(text)
				for k := range j.turns {
					c.Turns = append(c.Turns, len(text))
					text += strings.Repeat(string(rune('a'+(i+k)%3)), 1+(i*7+k*5)%12) + "!"
				}
				if j.turns == 0 {
					text += "x"
				}
				prompt := tokens(text)
				if i%3 == 2 { // what stays may end anywhere
					c.Keep = min(c.Keep+j.n%20, len(prompt), cells/4*3)
				}
				r := &Request{Prompt: slices.Clone(prompt), MaxTokens: j.n, Priority: j.batch}
				want := b.model.generate(prompt, min(j.n, cells-len(prompt)))
				lefts, dropped := [][]Token(nil), 0
				if j.shift {
					want, lefts, dropped = b.model.long(prompt, c, j.n, cells)
					r.Shift = c
				}
				got, res, err := b.left(r, j.cancel)
				switch {
				case err != nil:
					errs <- err
				case res.Finish == FinishCancelled && j.cancel && strings.HasPrefix(want, got):
				case got != want || res.Shifts != len(lefts) || res.ShiftedTokens != dropped:
					errs <- fmt.Errorf("job %d %+v: %d tokens, shifts %d/%d (%+v)\n got %q\nwant %q", i, j, len(got), len(lefts), dropped, res, got, want)
				}
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			t.Fatal(err)
		}
		s := b.Stats()
		shifts += s.Shifts
		restored += s.Tiers.RestoredTokens
		for _, n := range s.Speculation.Drafted {
			drafted += n
		}
	})
	if shifts < 50 || drafted < 1000 {
		t.Fatalf("%d shifts, %d guesses: the mixes try too little", shifts, drafted)
	}
	t.Logf("%d shifts, %d guesses, %d tokens from the tiers", shifts, drafted, restored)
}

// While one stream shifts, those beside it go on: what is read again is read in
// chunks within the step budget.
func TestAShiftIsReadInChunks(t *testing.T) {
	const size = 300
	m := &fakeModel{vocab: 20, train: size}
	ctx := newFakeContext(m, 2000)
	b := &bench{New(m, ctx, Config{Name: "fake", Cells: 2000, StepBudget: 20 * time.Millisecond, Speculate: SpeculateOff, fixed: true}), m, ctx}
	defer b.Close()
	beside, err := b.Submit(context.Background(), &Request{Prompt: tokens("beside"), MaxTokens: 290})
	if err != nil {
		t.Fatal(err)
	}
	prompt := tokens("0123456789")
	want, lefts, _ := m.long(prompt, &ContextShift{}, 1000, size)
	got, res, err := b.ask(context.Background(), &Request{Prompt: slices.Clone(prompt), MaxTokens: 1000, Shift: &ContextShift{}})
	if err != nil || got != want || res.Shifts != len(lefts) || res.Shifts < 4 {
		t.Fatalf("%d tokens, %+v (%v), want %d tokens and %d shifts", len(got), res, err, len(want), len(lefts))
	}
	if got, _, err := collect(beside); err != nil || got != m.generate(tokens("beside"), 290) {
		t.Fatalf("the stream beside it: %q (%v)", got, err)
	}
	cost := newCostModel(false)
	streams := decoding(1, size)
	most := 1 + cost.chunk(streams, size, 2*(20*time.Millisecond+cost.predict(streams)), 1, size)
	if ctx.most > most {
		t.Fatalf("a step had %d rows, want at most %d: the budget is 20 ms, 40 ms where nobody streams", ctx.most, most)
	}
}
