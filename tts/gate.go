package tts

import (
	"context"
	"sync"
	"time"
)

// gate shares the runtime among speeches. Each use is one short inference (a
// part of a clause); when several wait, the one whose speech has had the least
// goes first, so a short text passes long ones.
type gate struct {
	mu      sync.Mutex
	free    int
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
	line   int // of the speech: earlier ones go first
	number uint64
	since  time.Time
	ready  chan struct{} // closed when the ticket has been given a place
}

// patience is how long a use waits at most for those that have had less: then it
// is served in the order of arrival, so that many short texts do not keep a long
// one from ever being read.
const patience = time.Second

func newGate(places int) *gate { return &gate{free: places} }

// run waits for a place and runs f in it. line is the number of the line of the
// speech that f is for.
func (g *gate) run(ctx context.Context, t *turn, line int, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if g.free > 0 && len(g.waiting) == 0 {
		g.free--
		g.start(t)
		g.mu.Unlock()
	} else {
		t0 := time.Now()
		w := &ticket{t: t, line: line, number: g.arrived, since: t0, ready: make(chan struct{})}
		g.arrived++
		g.waiting = append(g.waiting, w)
		g.mu.Unlock()
		select {
		case <-w.ready:
		case <-ctx.Done():
			g.mu.Lock()
			if !g.withdraw(w) { // it was given a place meanwhile
				g.stop(t, 0)
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
		g.mu.Lock()
		g.stop(t, d)
		g.mu.Unlock()
	}()
	return f()
}

// start and stop keep a speech's books: used is the sum over its places, busy
// the wall time during which it had at least one.
func (g *gate) start(t *turn) {
	if t.running == 0 {
		t.began = time.Now()
	}
	t.running++
}

func (g *gate) stop(t *turn, d time.Duration) {
	t.used += d
	t.running--
	if t.running == 0 {
		t.busy += time.Since(t.began)
	}
	g.free++
	if len(g.waiting) == 0 {
		return
	}
	best, now := 0, time.Now()
	for i, w := range g.waiting {
		if w.before(g.waiting[best], now) {
			best = i
		}
	}
	w := g.waiting[best]
	g.waiting = append(g.waiting[:best], g.waiting[best+1:]...)
	g.free--
	g.start(w.t)
	close(w.ready)
}

func (w *ticket) before(o *ticket, now time.Time) bool {
	switch {
	case w.t == o.t && w.line != o.line:
		return w.line < o.line
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
