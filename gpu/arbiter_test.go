package gpu

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestArbiterOrder lets four wait while the card is taken: the turn goes to the
// one that must start first, which with speech costing 50 ms is not the one with
// the first deadline.
func TestArbiterOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, ctx := NewArbiter(), t.Context()
		for _, use := range []struct {
			use  Use
			cost time.Duration
		}{{Decode, 5 * time.Millisecond}, {Speech, 50 * time.Millisecond}} {
			for range 60 { // until the estimate has settled
				if err := a.Enter(ctx, use.use, time.Now()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(use.cost) // the work, on the bubble's clock
				a.Leave(use.use)
			}
			if got := a.Expect(use.use); got < use.cost || got > use.cost*11/10 {
				t.Fatalf("Expect(%d) = %s, want about the measured %s", use.use, got, use.cost)
			}
		}
		if err := a.Enter(ctx, Decode, time.Now()); err != nil {
			t.Fatal(err)
		}
		now, order := time.Now(), make(chan string, 4)
		var all sync.WaitGroup
		wait := func(name string, use Use, in time.Duration) {
			all.Go(func() {
				if err := a.Enter(ctx, use, now.Add(in)); err != nil {
					t.Errorf("%s: Enter = %v", name, err)
					return
				}
				order <- name
				a.Leave(use)
			})
			synctest.Wait()
		}
		wait("decode by 40 ms", Decode, 40*time.Millisecond)
		wait("speech by 80 ms", Speech, 80*time.Millisecond)
		wait("speech by 200 ms", Speech, 200*time.Millisecond)
		wait("decode by 12 ms", Decode, 12*time.Millisecond)
		if got := a.Stats().Waiting; got != 4 {
			t.Errorf("%d wait, want 4", got)
		}
		a.Leave(Decode)
		all.Wait()
		close(order)
		var got []string
		for s := range order {
			got = append(got, s)
		}
		want := []string{"decode by 12 ms", "speech by 80 ms", "decode by 40 ms", "speech by 200 ms"}
		if !slices.Equal(got, want) {
			t.Fatalf("turns went to %q, want %q", got, want)
		}
		st := a.Stats()
		if st.Turns != [2]int64{63, 62} || st.Waiting != 0 || st.Held[Speech] != 60*50*time.Millisecond {
			t.Errorf("Stats = %+v, want 63 turns of decode, 62 of speech, 3 s of speech and nobody waiting", st)
		}
	})
}

// TestArbiterIsExclusive has many users, some of whom give up, and counts who is
// inside.
func TestArbiterIsExclusive(t *testing.T) {
	a := NewArbiter()
	var inside, turns atomic.Int32
	var all sync.WaitGroup
	for i := range 32 {
		all.Go(func() {
			for j := range 50 {
				ctx, cancel := context.WithCancel(context.Background())
				if (i+j)%5 == 0 {
					go cancel() // gives up, perhaps just as its turn comes
				}
				use := Use(i % int(uses))
				err := a.Enter(ctx, use, time.Now())
				if err == nil {
					if n := inside.Add(1); n != 1 {
						t.Errorf("%d users are on the card at once", n)
					}
					turns.Add(1)
					inside.Add(-1)
					a.Leave(use)
				} else if !errors.Is(err, context.Canceled) {
					t.Errorf("Enter = %v, want nil or Canceled", err)
				}
				cancel()
			}
		})
	}
	all.Wait()
	if turns.Load() < 32*40 {
		t.Errorf("%d turns, want at least those that nobody gave up: %d", turns.Load(), 32*40)
	}
	if a.busy || len(a.waiting) != 0 {
		t.Errorf("busy %v with %d waiting after all have left", a.busy, len(a.waiting))
	}
}

func TestNilArbiterLetsThrough(t *testing.T) {
	var a *Arbiter
	if err := a.Enter(t.Context(), Speech, time.Time{}); err != nil || a.Expect(Speech) != 0 {
		t.Fatalf("Enter on nil = %v, want nil", err)
	}
	a.Leave(Speech)
	if st := a.Stats(); st != (ArbiterStats{}) {
		t.Errorf("Stats of nil = %+v, want none", st)
	}
}

// A step of the language model asks for the card thousands of times a second.
func TestArbiterAllocatesNothing(t *testing.T) {
	a, ctx, at := NewArbiter(), t.Context(), time.Now()
	if n := testing.AllocsPerRun(100, func() {
		if err := a.Enter(ctx, Decode, at); err != nil {
			t.Fatal(err)
		}
		a.Leave(Decode)
	}); n != 0 {
		t.Errorf("a turn allocates %.0f times, want 0", n)
	}
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var used atomic.Int64
		ticks := 0
		k := StartKeepAlive(time.Second, func() time.Time { return time.Unix(0, used.Load()) }, func(context.Context) error { ticks++; return nil })
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		if ticks != 3 {
			t.Errorf("%d ticks in 3.5 idle seconds, want 3", ticks)
		}
		for range 30 { // busy: no tick
			used.Store(time.Now().UnixNano())
			time.Sleep(100 * time.Millisecond)
		}
		k.Stop()
		if ticks != 3 {
			t.Errorf("%d ticks after busy seconds, want still 3", ticks)
		}
		tries := 0
		k = StartKeepAlive(time.Second, func() time.Time { return time.Time{} }, func(context.Context) error { tries++; panic("lost") })
		time.Sleep(10 * time.Second)
		k.Stop()
		if tries != 3 {
			t.Errorf("%d tries on a card that is gone, want 3", tries)
		}
	})
}
