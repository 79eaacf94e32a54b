package native

import (
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

// Close closes what is left.
func (s *Sockets) Close() {
	s.mu.Lock()
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for c := range open {
		c.close(websocket.CloseGoingAway, "the server is shutting down")
	}
}

// writeWait bounds one frame's write.
const writeWait = 10 * time.Second
