package inference

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"repartee/inference/llama"
	"repartee/speculation"
)

// A head that cannot read a step begins anew; one that fails again and again is asked
// no more, and the answers are the model's all the same.
func TestAHeadThatFails(t *testing.T) {
	f := func(name string, lose func(step int) bool, gone bool) {
		t.Helper()
		var log bytes.Buffer
		second := &fakeModel{vocab: 20}
		b := newBench(4096, Config{
			Parallel: 1, Speculate: SpeculateDraft, Draft: &DraftModel{Head: llama.Head{Kind: llama.EAGLE3, Most: 4}},
			Log: slog.New(slog.NewTextHandler(&log, nil)), force: func(n int) int { return n },
		}, func(c *fakeContext) { c.head, c.blind, c.lose = second, map[llama.SeqID]bool{}, lose })
		prompt := tokens("a prompt")
		got, _, err := b.ask(context.Background(), &Request{Prompt: prompt, MaxTokens: 60})
		if want := b.model.generate(prompt, 60); err != nil || got != want {
			t.Errorf("%s: answer = %q, %v, want %q", name, got, err, want)
		}
		d := b.sched.guess.model.(*headDrafter)
		is, reads := false, false
		if err := b.errand(func() { is, reads = d.gone, d.on }); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if is != gone || reads == gone || strings.Contains(log.String(), "not used any more") != gone {
			t.Errorf("%s: given up: %v, reads: %v, want %v and %v; log:\n%s", name, is, reads, gone, !gone, log.String())
		}
		if !gone && b.Stats().Speculation.Accepted[speculation.Draft] == 0 {
			t.Errorf("%s: no guess is right, want many", name)
		}
	}
	f("never", nil, false)
	f("now and then", func(step int) bool { return step%4 == 1 }, false)
	f("always", func(int) bool { return true }, true)
}

// A head that does not pay stops reading, and looks again when a request begins and
// never amid one, whose beginning it did not read.
func TestAHeadLooksAgainWhenARequestBegins(t *testing.T) {
	head := &fakeModel{vocab: 20, wrong: 1}
	b := newBench(4096, Config{Parallel: 1, Speculate: SpeculateDraft, fixed: true, Draft: &DraftModel{Head: llama.Head{Kind: llama.EAGLE3, Most: 4}, Prices: 0.05}},
		func(c *fakeContext) { c.head, c.blind = head, map[llama.SeqID]bool{} })
	defer b.Close()
	d := b.sched.guess.model.(*headDrafter)
	errand := func(f func()) {
		t.Helper()
		if err := b.errand(f); err != nil {
			t.Fatal(err)
		}
	}
	errand(func() { cheapRows(b.Engine) })
	asked := 0
	ask := func(n int) (right int64) {
		t.Helper()
		asked++
		prompt := tokens(fmt.Sprintf("prompt %d", asked))
		before := b.Stats().Speculation.Accepted[speculation.Draft]
		got, _, err := b.ask(context.Background(), &Request{Prompt: prompt, MaxTokens: n})
		if want := b.model.generate(prompt, n); err != nil || got != want {
			t.Fatalf("answer %d = %q, %v; want %q", asked, got, err, want)
		}
		return b.Stats().Speculation.Accepted[speculation.Draft] - before
	}
	state := func() (on bool, turn int) {
		errand(func() { on, turn = d.on, d.turn })
		return on, turn
	}

	for asked < 20 {
		ask(100)
	}
	if on, _ := state(); on {
		t.Fatalf("after %d answers with a head that is always wrong it reads on", asked)
	}
	var had int
	errand(func() { head.wrong, d.trial.saved, d.trial.wrong, had = 0, 0, 0, d.turn })
	if right := ask(2000); right > 0 {
		t.Errorf("%d guesses are right amid an answer whose beginning the head did not read, want 0", right)
	}
	if on, turn := state(); on || turn != had {
		t.Errorf("amid an answer the head began to read %d times (reads: %v), want never", turn-had, on)
	}
	if right := ask(100); right < 50 {
		t.Errorf("%d guesses of the next answer are right, want most of its 100 tokens", right)
	}
	if on, turn := state(); !on || turn != had+1 {
		t.Errorf("with the next answer the head began to read %d times (reads: %v), want once and true", turn-had, on)
	}
}

// cheapRows gives an engine the prices of a GPU, where a row more costs next to
// nothing, and a draft a twentieth of them.
func cheapRows(e *Engine) {
	gpu := newCostModel(true)
	cheap := gpu.scaled(0.05)
	gpu.fixed, cheap.fixed = true, true
	e.sched.cost, e.sched.guess.model.books().cost = gpu, cheap
}
