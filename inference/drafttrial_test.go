package inference

import (
	"context"
	"fmt"
	"testing"
	"time"

	"repartee/speculation"
)

// A draft model that is always wrong is tried ever more seldom, and as often as at
// first once it was right.
func TestDraftTrialsBecomeRareWhileWrong(t *testing.T) {
	var d draftTrial
	const step, price = 5 * time.Millisecond, 20 * time.Millisecond
	wait := func() int {
		t.Helper()
		for n := 1; n < 1_000_000; n++ {
			d.aside(step)
			if d.begin(price) {
				d.spend(price)
				return n
			}
		}
		t.Fatal("no trial in a million steps")
		return 0
	}
	first := wait()
	if most := 1 + int(price/(step/probeShare)); first > most {
		t.Fatalf("the first trial comes after %d steps, want at most %d", first, most)
	}
	last := first
	for range 4 {
		d.learn(false)
		n := wait()
		if n < 2*last-3 {
			t.Fatalf("after a wrong trial %d steps, want twice the %d before", n, last)
		}
		last = n
	}
	d.learn(false)
	if n := wait(); n > last+1 {
		t.Errorf("at the rarest %d steps, want no more than the %d before", n, last)
	}
	d.learn(true)
	if n := wait(); n > first+1 {
		t.Errorf("after a right trial %d steps, want the %d of the beginning", n, first)
	}
	d.pays()
	d.learn(false) // of a draft that was no trial
	if n := wait(); n > first+1 {
		t.Errorf("a wrong draft that was no trial: %d steps, want %d", n, first)
	}
}

// The same in an engine, with a draft model that costs half of its model and is
// always wrong; no answer is another one.
func TestAWrongDraftModelIsLeftAlone(t *testing.T) {
	draft := &fakeModel{vocab: 20, wrong: 1}
	b := newBench(4096, Config{Parallel: 1, Speculate: SpeculateDraft, fixed: true, Draft: &DraftModel{Model: draft, Context: newFakeContext(draft, 4096), Prices: 0.5}})
	if err := b.errand(func() { b.sched.guess.model.books().cost.fixed = true }); err != nil {
		t.Fatal(err)
	}
	const answers, length = 40, 100
	for i := range answers {
		prompt := tokens(fmt.Sprintf("prompt %d", i))
		got, _, err := b.ask(context.Background(), &Request{Prompt: prompt, MaxTokens: length})
		if want := b.model.generate(prompt, length); err != nil || got != want {
			t.Fatalf("answer %d = %q, %v; want %q", i, got, err, want)
		}
	}
	wrong := 0
	if err := b.errand(func() { wrong = b.sched.guess.model.books().trial.wrong }); err != nil {
		t.Fatal(err)
	}
	if st := b.Stats().Speculation; wrong != mostWrong || st.Model.Steps <= mostWrong || st.Accepted[speculation.Draft] > 0 {
		t.Errorf("%d wrong trials counted, %d steps of the draft model, %d guesses right; want %d, more than that, and 0", wrong, st.Model.Steps, st.Accepted[speculation.Draft], mostWrong)
	}
	b.Close()
}
