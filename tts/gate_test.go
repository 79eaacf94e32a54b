package tts

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is asked of it, the gate never gives more places than there are, but
// for a use that alone wants more, and everyone is served.
func TestGateKeepsItsPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.IntRange(1, 4).Draw(t, "places")
		var crowded atomic.Bool
		g := newGate(places, crowded.Load)
		uses := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 30).Draw(t, "uses")
		var mu sync.Mutex
		taken, ran := 0, 0
		var wg sync.WaitGroup
		turns := make([]turn, 3)
		for i, n := range uses {
			wg.Go(func() {
				crowded.Store(i%3 == 0)
				err := g.run(context.Background(), &turns[i%3], use{line: i, places: n}, func() error {
					mu.Lock()
					taken += max(n, 1)
					if alone := taken == max(n, 1); taken > places && !alone {
						t.Errorf("%d places taken of %d", taken, places)
					}
					ran++
					mu.Unlock()
					mu.Lock()
					taken -= max(n, 1)
					mu.Unlock()
					return nil
				})
				if err != nil {
					t.Errorf("run: %v", err)
				}
			})
		}
		wg.Wait()
		if ran != len(uses) || g.taken != 0 || len(g.waiting) != 0 {
			t.Errorf("%d of %d uses ran; %d places are taken and %d wait in the end", ran, len(uses), g.taken, len(g.waiting))
		}
	})
}

// While other work wants the processor, two uses of one place do not run at once.
func TestGateLeavesACore(t *testing.T) {
	var crowded atomic.Bool
	crowded.Store(true)
	g := newGate(2, crowded.Load)
	var running, most atomic.Int32
	var wg sync.WaitGroup
	many := func() int32 {
		most.Store(0)
		both := make(chan struct{})
		for range 2 {
			wg.Go(func() {
				err := g.run(context.Background(), &turn{}, use{}, func() error {
					n := running.Add(1)
					defer running.Add(-1)
					if n > most.Load() {
						most.Store(n)
					}
					if n == 2 {
						close(both)
					}
					if !crowded.Load() {
						<-both // as long as both are at it
					}
					return nil
				})
				if err != nil {
					t.Errorf("run: %v", err)
				}
			})
		}
		wg.Wait()
		return most.Load()
	}
	for range 50 {
		if n := many(); n != 1 {
			t.Fatalf("%d uses at once beside other work, want 1", n)
		}
	}
	crowded.Store(false)
	if n := many(); n != 2 {
		t.Errorf("%d uses at once with the processor to themselves, want 2", n)
	}
}

// Of two lines of a speech the earlier goes first, and a use that has waited long
// goes before those whose speech has had less.
func TestGateOrder(t *testing.T) {
	long, short := &turn{used: 9e9}, &turn{}
	now := time.Now()
	f := func(name string, a, b ticket) {
		t.Helper()
		if !a.before(&b, now) || b.before(&a, now) {
			t.Errorf("%s: the order is another", name)
		}
	}
	f("an earlier line", ticket{t: long, use: use{line: 1}, number: 9, since: now}, ticket{t: long, use: use{line: 2}, number: 1, since: now})
	f("a speech that had less", ticket{t: short, number: 9, since: now}, ticket{t: long, number: 1, since: now})
	f("one out of patience", ticket{t: long, number: 1, since: now.Add(-2 * patience)}, ticket{t: short, number: 9, since: now})
	f("interactive", ticket{t: long, number: 9, since: now}, ticket{t: &turn{batch: true}, number: 1, since: now.Add(-2 * patience)})
	f("the first to come", ticket{t: short, number: 1, since: now}, ticket{t: &turn{}, number: 2, since: now})
}
