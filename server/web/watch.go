package web

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// Watcher notices clients that leave while nothing is written to them: it
// peeks at the sockets of running requests. One goroutine serves all.
type Watcher struct {
	mu    sync.Mutex
	conns map[*watched]struct{}
	quit  chan struct{}
	ended chan struct{}
}

type watched struct {
	raw    syscall.RawConn
	cancel context.CancelFunc
}

// peekEvery is how soon a disconnect is seen.
const peekEvery = 20 * time.Millisecond

// NewWatcher starts the goroutine; Close ends it.
func NewWatcher() *Watcher {
	w := &Watcher{conns: map[*watched]struct{}{}, quit: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

func (w *Watcher) run() {
	defer close(w.ended)
	tick := time.NewTicker(peekEvery)
	defer tick.Stop()
	for {
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
		w.mu.Lock()
		for c := range w.conns {
			if gone(c.raw) {
				c.cancel()
				delete(w.conns, c)
			}
		}
		w.mu.Unlock()
	}
}

// gone tells whether the peer has closed its side. Control, unlike Read, takes
// no lock that a reader of the connection could hold.
func gone(raw syscall.RawConn) bool {
	closed := false
	err := raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		closed = n == 0 && err == nil || err == syscall.ECONNRESET || err == syscall.EPIPE
	})
	return err != nil || closed
}

// Watch returns a context that ends when the peer of conn leaves, and what
// ends the watch. A connection that hides its socket is not watched.
func (w *Watcher) Watch(parent context.Context, conn net.Conn) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return ctx, cancel
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return ctx, cancel
	}
	c := &watched{raw, cancel}
	w.mu.Lock()
	w.conns[c] = struct{}{}
	w.mu.Unlock()
	return ctx, func() {
		w.mu.Lock()
		delete(w.conns, c)
		w.mu.Unlock()
		cancel()
	}
}

// Close ends the goroutine.
func (w *Watcher) Close() {
	close(w.quit)
	<-w.ended
}
