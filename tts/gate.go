package tts

import (
	"context"
	"sync"
	"time"
)

// gate shares the runtime among speeches. Each use is one short inference (a
// part of a clause); when several wait, the one whose speech has had the least
// goes first, so a short text passes long ones.
//
// A use has as many places as it keeps cores busy. While the gate is crowded, by
// other work of the process, one place fewer is given, but always one.
type gate struct {
	places  int
	crowded func() bool // nil = never

	mu      sync.Mutex
	taken   int
	waiting []*ticket
	arrived uint64
}

// turn is what a speech has had of the runtime; one per speech.
type turn struct {
	batch   bool
	used    time.Duration // under gate.mu
	waited  time.Duration
	running int
	began   time.Time // of the first of those running
	busy    time.Duration
}

type ticket struct {
	t      *turn
	use    use
	number uint64
	since  time.Time
	ready  chan struct{} // closed when the ticket has been given a place
}

// patience is how long a use waits at most for those that have had less: then it
// is served in the order of arrival, so that many short texts do not keep a long
// one from ever being read.
const patience = time.Second

// restShare is the part of a use for which its place stays empty in company,
// maxRest the most of it.
const (
	restShare = 4
	maxRest   = 5 * time.Millisecond
)

// use says what a place is wanted for.
type use struct {
	line   int // of the speech: earlier ones go first
	places int // cores that it keeps busy; 0 = 1
}

func newGate(places int, crowded func() bool) *gate { return &gate{places: places, crowded: crowded} }

// fits tells whether a use can begin; one that wants more places than there are
// begins alone.
func (g *gate) fits(u use) bool {
	if g.taken == 0 {
		return true
	}
	most := g.places
	if g.crowded != nil && g.crowded() {
		most = max(most-1, 1)
	}
	return g.taken+max(u.places, 1) <= most
}

// run waits for u's places and runs f in them.
func (g *gate) run(ctx context.Context, t *turn, u use, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if len(g.waiting) == 0 && g.fits(u) {
		g.start(t, u)
		g.mu.Unlock()
	} else {
		t0 := time.Now()
		w := &ticket{t: t, use: u, number: g.arrived, since: t0, ready: make(chan struct{})}
		g.arrived++
		g.waiting = append(g.waiting, w)
		g.mu.Unlock()
		select {
		case <-w.ready:
		case <-ctx.Done():
			g.mu.Lock()
			if !g.withdraw(w) { // it was given a place meanwhile
				g.stop(t, u, 0)
			}
			g.mu.Unlock()
			return ctx.Err()
		}
		g.mu.Lock()
		t.waited += time.Since(t0)
		g.mu.Unlock()
	}
	t0 := time.Now()
	defer func() {
		d := time.Since(t0)
		g.rest(ctx, d)
		g.mu.Lock()
		g.stop(t, u, d)
		g.mu.Unlock()
	}()
	return f()
}

// rest keeps the place free for a little while beside other work, whose core is
// also wanted by encoders, connections and the collector.
func (g *gate) rest(ctx context.Context, d time.Duration) {
	if g.crowded == nil || !g.crowded() {
		return
	}
	select {
	case <-time.After(min(d/restShare, maxRest)):
	case <-ctx.Done():
	}
}

// start and stop keep a speech's books: used is the sum over its places, busy
// the wall time during which it had at least one.
func (g *gate) start(t *turn, u use) {
	g.taken += max(u.places, 1)
	if t.running == 0 {
		t.began = time.Now()
	}
	t.running++
}

func (g *gate) stop(t *turn, u use, d time.Duration) {
	g.taken -= max(u.places, 1)
	t.used += d * time.Duration(max(u.places, 1))
	t.running--
	if t.running == 0 {
		t.busy += time.Since(t.began)
	}
	now := time.Now()
	for len(g.waiting) > 0 {
		best := 0
		for i, w := range g.waiting {
			if w.before(g.waiting[best], now) {
				best = i
			}
		}
		w := g.waiting[best]
		if !g.fits(w.use) {
			return // none that comes behind it overtakes it
		}
		g.waiting = append(g.waiting[:best], g.waiting[best+1:]...)
		g.start(w.t, w.use)
		close(w.ready)
	}
}

func (w *ticket) before(o *ticket, now time.Time) bool {
	switch {
	case w.t == o.t && w.use.line != o.use.line:
		return w.use.line < o.use.line
	case w.t.batch != o.t.batch:
		return !w.t.batch
	case w.late(now) != o.late(now):
		return w.late(now)
	case w.t.used != o.t.used && !w.late(now):
		return w.t.used < o.t.used
	}
	return w.number < o.number
}

func (w *ticket) late(now time.Time) bool { return now.Sub(w.since) > patience }

func (g *gate) withdraw(w *ticket) bool {
	for i, o := range g.waiting {
		if o == w {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// times gives the wall time in the runtime and the time spent waiting.
func (g *gate) times(t *turn) (busy, waited time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	busy = t.busy
	if t.running > 0 {
		busy += time.Since(t.began)
	}
	return busy, t.waited
}

// runs tells whether the speech has a place now.
func (g *gate) runs(t *turn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return t.running > 0
}
