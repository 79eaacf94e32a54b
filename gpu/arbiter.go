package gpu

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Use is a kind of work on the card. What a turn of each costs is measured
// apart.
type Use int

// The kinds of work.
const (
	Decode Use = iota // one step of the language model
	Speech            // one inference of a voice, or a piece of one
	uses
)

// String is the kind's name in metrics.
func (u Use) String() string { return [...]string{"decode", "speech"}[u] }

// Arbiter lets users of one card take turns. A card runs the kernels of two
// users interleaved and makes both late; in turns each is as fast as alone. The
// turn goes to the waiter that must start first to be done by its deadline, by
// what its kind has cost lately. A nil Arbiter lets everybody through: that is
// the case without a GPU. Any goroutine may use it. A turn that nobody else
// wants costs no allocation.
type Arbiter struct {
	mu      sync.Mutex
	now     func() time.Time // replaced in tests
	busy    bool
	began   time.Time
	waiting []*turn
	cost    [uses]budget
	stats   ArbiterStats
}

// ArbiterStats is what turns have taken, by kind.
type ArbiterStats struct {
	Turns   [2]int64
	Held    [2]time.Duration // on the card
	Waited  [2]time.Duration // for it
	Expect  [2]time.Duration // a turn by what was measured
	Waiting int              // now
}

// turn is one waiter.
type turn struct {
	use      Use
	deadline time.Time
	ready    chan struct{} // closed when the card is its own
}

// budget is the measured cost of a kind: the mean of late turns and how far they
// stray, as TCP estimates its round trips.
type budget struct{ mean, stray time.Duration }

func (b *budget) add(d time.Duration) {
	if b.mean == 0 {
		b.mean, b.stray = d, d/2
		return
	}
	off := d - b.mean
	b.mean += off / 8
	b.stray += (max(off, -off) - b.stray) / 4
}

func (b budget) expect() time.Duration { return b.mean + 2*b.stray }

// NewArbiter makes one for one card.
func NewArbiter() *Arbiter { return &Arbiter{now: time.Now} }

// Enter waits for the card. After nil, Leave with the same use gives it back,
// once. deadline is when the work should be done; the end of ctx ends the wait
// with its error.
func (a *Arbiter) Enter(ctx context.Context, use Use, deadline time.Time) error {
	if a == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	a.mu.Lock()
	if !a.busy {
		a.take()
		a.mu.Unlock()
		return nil
	}
	t := &turn{use: use, deadline: deadline, ready: make(chan struct{})}
	a.waiting = append(a.waiting, t)
	since := a.now()
	a.mu.Unlock()
	select {
	case <-t.ready:
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stats.Waited[use] += a.now().Sub(since)
	if ctx.Err() == nil {
		return nil
	}
	if i := slices.Index(a.waiting, t); i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
	} else {
		a.next() // the turn came at the same moment: hand it on
	}
	return ctx.Err()
}

// Leave ends a turn that Enter gave.
func (a *Arbiter) Leave(use Use) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	took := a.now().Sub(a.began)
	a.cost[use].add(took)
	a.stats.Turns[use]++
	a.stats.Held[use] += took
	a.next()
}

// Expect is what a turn of a kind takes, by what was measured; 0 before the
// first. A chunk of speech is made as long as the streams can do without a step.
func (a *Arbiter) Expect(use Use) time.Duration {
	if a == nil {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cost[use].expect()
}

// Stats counts turns since the start.
func (a *Arbiter) Stats() ArbiterStats {
	if a == nil {
		return ArbiterStats{}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	for u := range a.cost {
		s.Expect[u] = a.cost[u].expect()
	}
	s.Waiting = len(a.waiting)
	return s
}

func (a *Arbiter) take() { a.busy, a.began = true, a.now() }

// next gives the card to the waiter that must start first.
func (a *Arbiter) next() {
	a.busy = false
	if len(a.waiting) == 0 {
		return
	}
	best := 0
	for i, t := range a.waiting {
		if a.start(t).Before(a.start(a.waiting[best])) {
			best = i
		}
	}
	t := a.waiting[best]
	a.waiting = slices.Delete(a.waiting, best, best+1)
	a.take()
	close(t.ready)
}

// start is the latest moment at which a waiter can begin and be done in time.
func (a *Arbiter) start(t *turn) time.Time { return t.deadline.Add(-a.cost[t.use].expect()) }
