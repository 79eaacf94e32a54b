package web

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a lingering close.
const (
	lingerFor   = 2 * time.Second
	lingerBytes = 64 << 20
)

// Listener hands out connections that can be closed gently.
type Listener struct{ net.Listener }

// Accept waits for a connection.
func (l Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok && err == nil {
		return &Conn{TCPConn: tcp}, nil
	}
	return c, err
}

// Conn is a TCP connection that may linger: closing a socket while the peer
// still sends resets it, and the peer may lose the answer that says why.
type Conn struct {
	*net.TCPConn
	linger atomic.Bool
	once   sync.Once
	err    error
}

// Linger makes Close wait, within bounds, until the peer has stopped sending.
// It may be called for any connection; others than Conn close as they do.
func Linger(c net.Conn) {
	if c, ok := c.(*Conn); ok {
		c.linger.Store(true)
	}
}

// Close closes the connection, gently when told to.
func (c *Conn) Close() error {
	c.once.Do(func() {
		if c.linger.Load() && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerFor)) == nil {
			_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes) // what comes is of no interest
		}
		c.err = c.TCPConn.Close()
	})
	return c.err
}
