package voice

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// chain is one utterance on its way through stages, each of which reads what the
// one before made. Every stage is cut into windows; a window can be run as soon
// as what it reads is there, so the first sound is made early and the threads
// are busy to the end. The windows are settled by the length alone: the same
// utterance gives the same numbers whatever else runs.
type chain struct {
	links   []link
	speaker int

	mu      sync.Mutex
	changed *sync.Cond
	err     error
}

// link is a stage of a chain with what it reads and makes.
type link struct {
	s     *stage
	steps int       // of its input
	x     []float32 // its input
	y     []float32 // its result; nil for the last link
	span            // its windows, in steps of its input
	begun []bool
	ready []bool
	out   []chan []float32 // of the last link: the windows' results
}

// span is a run of steps cut into windows. What lies outside it is not made.
type span struct {
	start int
	ends  []int
}

func newChain(x []float32, steps, speaker int, stages []*stage, spans []span) *chain {
	c := &chain{speaker: speaker}
	c.changed = sync.NewCond(&c.mu)
	for i, s := range stages {
		windows := len(spans[i].ends)
		l := link{s: s, steps: steps, x: x, span: spans[i], begun: make([]bool, windows), ready: make([]bool, windows)}
		steps *= s.rate
		if i < len(stages)-1 {
			x = make([]float32, s.out*steps)
			l.y = x
		} else {
			l.out = make([]chan []float32, len(l.ends))
			for k := range l.out {
				l.out[k] = make(chan []float32, 1)
			}
		}
		c.links = append(c.links, l)
	}
	return c
}

// window gives the bounds of the k-th window.
func (s span) window(k int) (from, to int) {
	if k == 0 {
		return s.start, s.ends[0]
	}
	return s.ends[k-1], s.ends[k]
}

// wait waits until a window can be run; false = there is none left, or the chain
// has failed.
func (c *chain) wait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.err == nil {
		_, _, ok, left := c.best()
		if ok || !left {
			return ok
		}
		c.changed.Wait()
	}
	return false
}

// pick takes the window that is furthest on; false when others have taken what
// could be run. It is called with the runtime at hand: a window picked before
// would keep a better one waiting.
func (c *chain) pick() (i, k int, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i, k, ok, _ = c.best(); ok {
		c.links[i].begun[k] = true
	}
	return i, k, ok
}

// best is the window that is furthest on and can be run; left says that there
// are some not yet begun. The lock is held.
func (c *chain) best() (i, k int, ok, left bool) {
	for i := len(c.links) - 1; i >= 0; i-- {
		l := &c.links[i]
		for k := range l.ends {
			if l.begun[k] {
				continue
			}
			left = true
			if i == 0 || c.links[i-1].covers(l, k) {
				return i, k, true, true
			}
			break // later windows read more
		}
	}
	return 0, 0, false, left
}

// covers tells whether all is there that the next link's k-th window reads.
func (l *link) covers(next *link, k int) bool {
	from, to := next.window(k)
	from, to = from-next.s.radius, to+next.s.radius
	for j := range l.ends {
		a, b := l.window(j)
		if !l.ready[j] && a*l.s.rate < to && b*l.s.rate > from {
			return false
		}
	}
	return true
}

// fail ends the chain with its first error.
func (c *chain) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()
	c.changed.Broadcast()
}

// work runs windows until there are none.
func (c *chain) work(ctx context.Context, gate Gate) {
	defer func() {
		if r := recover(); r != nil {
			c.fail(fmt.Errorf("voice: internal error: %v\n%s", r, debug.Stack()))
		}
	}()
	for c.wait() {
		err := gate(ctx, func() error {
			i, k, ok := c.pick()
			if !ok {
				return nil
			}
			return c.run(ctx, i, k)
		})
		if err != nil {
			c.fail(err)
			return
		}
	}
}

func (c *chain) run(ctx context.Context, i, k int) error {
	l := &c.links[i]
	from, to := l.window(k)
	y, err := l.s.run(ctx, l.x, l.steps, from, to, c.speaker)
	if err != nil {
		return err
	}
	if l.y != nil { // windows do not overlap, so they are written side by side
		w, all, at := (to-from)*l.s.rate, l.steps*l.s.rate, from*l.s.rate
		for ch := range l.s.out {
			copy(l.y[ch*all+at:ch*all+at+w], y[ch*w:(ch+1)*w])
		}
	} else {
		l.out[k] <- y
	}
	c.mu.Lock()
	l.ready[k] = true
	c.mu.Unlock()
	c.changed.Broadcast()
	return nil
}

// speak runs the chain on up to threads windows at once and emits the last
// stage's results in order.
func (c *chain) speak(ctx context.Context, threads int, gate Gate, emit func([]float32) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return c.start(ctx, threads, gate)(emit)
}

// start runs the chain as speak does. The function that it gives emits; it must
// be called, once, and returns when no window runs any more. When it is called
// with ctx ended it may emit nothing.
func (c *chain) start(ctx context.Context, threads int, gate Gate) func(emit func([]float32) error) error {
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	for range threads {
		wg.Go(func() { c.work(ctx, gate) })
	}
	go func() { wg.Wait(); close(done) }()
	return func(emit func([]float32) error) error {
		defer func() { <-done }()
		defer cancel()
		last := &c.links[len(c.links)-1]
		for k := range last.out {
			var y []float32
			select {
			case y = <-last.out[k]:
			case <-done:
				select {
				case y = <-last.out[k]:
				default:
					return c.err // all workers have ended without it
				}
			}
			if err := emit(y); err != nil {
				c.fail(err)
				return err
			}
		}
		return nil
	}
}
