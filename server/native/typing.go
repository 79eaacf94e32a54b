package native

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync"

	"repartee/dialogue"
	"repartee/server/web"
)

// typing reads a turn into the KV cache while it is still being typed. Its
// goroutine lives from the first input to the connection's end and reads what is
// newest; what it cannot read, the turn itself reads, or refuses.
type typing struct {
	c       *socket
	changed chan struct{} // capacity 1
	ended   chan struct{}

	mu    sync.Mutex
	turn  dialogue.Turn
	fresh bool                  // turn has not been looked at
	round int                   // changes with each commit
	now   *dialogue.Preparation // nil = none
}

// prepare makes body, without its end, the turn to be read. Only the connection's
// reader calls it.
func (c *socket) prepare(body chatBody) {
	turn, err := body.turn(&web.Request{Namespace: c.space, Weight: c.weight, ID: c.id})
	if err != nil {
		return // the commit will say so
	}
	if c.typing == nil {
		p := &typing{c: c, changed: make(chan struct{}, 1), ended: make(chan struct{})}
		c.mu.Lock() // a turn that ends looks for it
		c.typing = p
		c.mu.Unlock()
		go p.run(c.root)
	}
	p := c.typing
	p.mu.Lock()
	p.turn, p.fresh = turn, true
	p.mu.Unlock()
	p.look()
}

// look lets the goroutine look at the turn again.
func (p *typing) look() {
	if p == nil {
		return
	}
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// commit ends the reading: the turn itself goes on with it.
func (p *typing) commit() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fresh = false
	p.round++
	if p.now != nil {
		p.now.Close()
		p.now = nil
	}
}

func (p *typing) run(ctx context.Context) {
	defer close(p.ended)
	defer func() {
		if e := recover(); e != nil {
			slog.Error("panic in reading ahead", "id", p.c.id, "panic", e, "stack", string(debug.Stack()))
		}
	}()
	for {
		select {
		case <-p.changed:
		case <-ctx.Done():
			return
		}
		// While an answer is on its way the conversation is not yet what the turn
		// will follow: the answer's end calls look.
		if p.c.running() {
			continue
		}
		p.mu.Lock()
		turn, fresh, round, last := p.turn, p.fresh, p.round, p.now
		p.fresh = false
		p.mu.Unlock()
		if !fresh {
			continue
		}
		next, err := p.c.d.Dialogue.Prepare(ctx, turn, last)
		if err != nil {
			slog.Debug("reading ahead", "id", p.c.id, "error", err)
			continue
		}
		p.mu.Lock()
		if p.round == round {
			p.now = next
		} else {
			next.Close()
		}
		p.mu.Unlock()
	}
}
