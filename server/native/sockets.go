package native

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
)

// Sockets are the open WebSocket connections: fasthttp does not wait for
// hijacked ones, so the server drains them itself.
type Sockets struct {
	// Enter counts a turn as running work, or refuses it while the server
	// drains; Leave takes it back. Both are set before the first connection.
	Enter func() bool
	Leave func()

	mu       sync.Mutex
	open     map[*socket]struct{}
	draining bool
}

// add registers a connection; false while draining.
func (s *Sockets) add(c *socket) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	if s.open == nil {
		s.open = map[*socket]struct{}{}
	}
	s.open[c] = struct{}{}
	return true
}

func (s *Sockets) remove(c *socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Drain closes idle connections with 1001; those in a turn close behind it.
func (s *Sockets) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	for c := range s.open {
		c.drain()
	}
}

// Close closes what is left: first behind what is queued, when ctx ends at once.
func (s *Sockets) Close(ctx context.Context) {
	each := func(f func(*socket)) int {
		s.mu.Lock()
		open := slices.Collect(maps.Keys(s.open))
		s.mu.Unlock()
		for _, c := range open {
			f(c)
		}
		return len(open)
	}
	each((*socket).leave)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for each(func(*socket) {}) > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			each(func(c *socket) { c.close(websocket.CloseGoingAway, goingAway) })
			return
		}
	}
}

// writeWait bounds one frame's write.
const writeWait = 10 * time.Second
