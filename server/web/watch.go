package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Why a request's context ended.
var (
	// ErrLeft means that the client closed the connection.
	ErrLeft = errors.New("web: the client closed the connection")
	// ErrStopped means that the server had to stop before the answer's end.
	ErrStopped = errors.New("web: the server is shutting down")
)

// Ended returns why ctx ended if it did, else err.
func Ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Watcher notices clients that leave while nothing is written to them: it looks
// at the sockets of running requests. One goroutine serves all, and sleeps when
// there are none.
type Watcher struct {
	mu    sync.Mutex
	conns map[*watched]struct{}
	more  chan struct{} // capacity 1: there is something to watch again
	quit  chan struct{}
	ended chan struct{}
	swept atomic.Int64 // when a new request last looked, Unix nanoseconds
}

type watched struct {
	raw    syscall.RawConn
	cancel context.CancelCauseFunc
}

// lookEvery is how soon a disconnect is seen.
const lookEvery = 10 * time.Millisecond

// NewWatcher starts the goroutine; Close ends it.
func NewWatcher() *Watcher {
	w := &Watcher{conns: map[*watched]struct{}{}, more: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

func (w *Watcher) run() {
	defer close(w.ended)
	tick := time.NewTimer(lookEvery)
	defer tick.Stop()
	for {
		wait := tick.C
		if w.look() == 0 {
			wait = nil
		} else {
			tick.Reset(lookEvery)
		}
		select {
		case <-w.quit:
			return
		case <-w.more:
		case <-wait:
		}
	}
}

// sweepEvery bounds how often new requests look at the others' sockets.
const sweepEvery = time.Millisecond

// sweep looks at once, so that a new request does not find the queue full of
// clients that have left.
func (w *Watcher) sweep() {
	now := time.Now().UnixNano()
	last := w.swept.Load()
	if now-last > int64(sweepEvery) && w.swept.CompareAndSwap(last, now) {
		w.look()
	}
}

// look cancels what is gone and returns how many are left.
func (w *Watcher) look() int {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("panic in the connection watcher", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		if gone(c.raw) {
			c.cancel(ErrLeft)
			delete(w.conns, c)
		}
	}
	return len(w.conns)
}

// gone tells whether the peer has closed its side, also when bytes that it had
// sent before are still unread. Control, unlike Read, takes no lock that a
// reader of the connection could hold.
func gone(raw syscall.RawConn) bool {
	closed := false
	err := raw.Control(func(fd uintptr) {
		p := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(p[:], 0)
		closed = err == nil && n > 0 && p[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return err != nil || closed
}

// Watch returns a context that ends with ErrLeft when the peer of conn leaves,
// and what ends the watch. A connection that hides its socket is not watched.
func (w *Watcher) Watch(parent context.Context, conn net.Conn) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return ctx, cancel
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return ctx, cancel
	}
	w.sweep()
	c := &watched{raw, cancel}
	w.mu.Lock()
	w.conns[c] = struct{}{}
	first := len(w.conns) == 1
	w.mu.Unlock()
	if first {
		select {
		case w.more <- struct{}{}:
		default:
		}
	}
	return ctx, func(cause error) {
		w.mu.Lock()
		delete(w.conns, c)
		w.mu.Unlock()
		cancel(cause)
	}
}

// Close ends the goroutine.
func (w *Watcher) Close() {
	close(w.quit)
	<-w.ended
}
