package inference

import (
	"testing"
	"time"
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
