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
				leave, err := a.Enter(ctx, use.use, time.Now())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(use.cost) // the work, on the bubble's clock
				leave()
			}
			if got := a.Expect(use.use); got < use.cost || got > use.cost*11/10 {
				t.Fatalf("Expect(%d) = %s, want about the measured %s", use.use, got, use.cost)
			}
		}
		leave, err := a.Enter(ctx, Decode, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		now, order := time.Now(), make(chan string, 4)
		var all sync.WaitGroup
		wait := func(name string, use Use, in time.Duration) {
			all.Go(func() {
				leave, err := a.Enter(ctx, use, now.Add(in))
				if err != nil {
					t.Errorf("%s: Enter = %v", name, err)
					return
				}
				order <- name
				leave()
			})
			synctest.Wait()
		}
		wait("decode by 40 ms", Decode, 40*time.Millisecond)
		wait("speech by 80 ms", Speech, 80*time.Millisecond)
		wait("speech by 200 ms", Speech, 200*time.Millisecond)
		wait("decode by 12 ms", Decode, 12*time.Millisecond)
		leave()
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
				leave, err := a.Enter(ctx, Use(i%int(uses)), time.Now())
				if err == nil {
					if n := inside.Add(1); n != 1 {
						t.Errorf("%d users are on the card at once", n)
					}
					turns.Add(1)
					inside.Add(-1)
					leave()
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
	leave, err := a.Enter(t.Context(), Speech, time.Time{})
	if err != nil || a.Expect(Speech) != 0 {
		t.Fatalf("Enter on nil = %v, want nil", err)
	}
	leave()
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
