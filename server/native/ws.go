package native

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"repartee/dialogue"
	"repartee/server/web"
)

// Limits of a connection.
const (
	maxFrame   = 1 << 20
	maxQueued  = 256 // frames waiting for a slow reader
	pingEvery  = 15 * time.Second
	pongWithin = 30 * time.Second
)

const goingAway = "the server is shutting down"

var upgrader = websocket.FastHTTPUpgrader{
	Subprotocols: []string{"repartee.v1"},
	CheckOrigin:  func(*fasthttp.RequestCtx) bool { return true }, // keys, not origins, protect the API
}

// WebSocket answers GET /ws with the protocol repartee.v1: one connection is
// one conversation.
func (d *Dialect) WebSocket(r *web.Request, all *Sockets) {
	ctx, release := r.HTTP, r.Release
	if !websocket.FastHTTPIsWebSocketUpgrade(ctx) {
		ctx.Response.Header.Set("Upgrade", "websocket")
		r.Fail(&web.Error{Status: 426, Type: "invalid_request_error", Code: "upgrade_required", Msg: "/ws speaks WebSocket, subprotocol repartee.v1"})
		return
	}
	release() // a connection that idles must not hold a drain up; its turns are waited for by close
	space, weight, root, id := r.Namespace, r.Weight, r.Root, r.ID
	err := upgrader.Upgrade(ctx, func(conn *websocket.Conn) {
		defer func() {
			if p := recover(); p != nil {
				slog.Error("panic in a WebSocket", "id", id, "panic", p, "stack", string(debug.Stack()))
			}
			_ = conn.Close()
		}()
		c := newSocket(d, all, conn, root, space, id)
		c.weight = weight
		if !all.add(c) {
			c.close(websocket.CloseGoingAway, goingAway)
			return
		}
		defer all.remove(c)
		c.serve()
	})
	if err != nil {
		slog.Debug("WebSocket upgrade", "id", id, "error", err)
	}
}

// frame is one message to send. A pooled one goes back once it is written.
type frame struct {
	kind   int
	data   []byte
	pooled *[]byte
}

// frames keeps the buffers of token messages, of which there is one a token.
var frames = sync.Pool{New: func() any { return new([]byte) }}

// socket is one connection. The handler's goroutine reads, one goroutine
// writes, and at most one runs a turn.
type socket struct {
	d      *Dialect
	all    *Sockets
	conn   *websocket.Conn
	root   context.Context
	stop   context.CancelFunc
	space  string
	id     string
	weight float64 // of the key

	out      chan frame
	written  chan struct{} // the writer has ended
	draining atomic.Bool

	// ended, under ending, is set before the handler returns: from then on neither
	// the queue nor the connection, which fasthttp reuses, must be touched.
	ending sync.Mutex
	ended  bool

	mu     sync.Mutex
	typing *typing            // reads input ahead; nil until there is some
	cancel context.CancelFunc // of the running turn, nil = none
	done   chan struct{}      // of the running turn
	told   bool               // its last message is on its way

	base  chatBody // defaults of start
	start startBody
	input string // what was appended and not committed
	turn  int
	say   *narration
}

func newSocket(d *Dialect, all *Sockets, conn *websocket.Conn, root context.Context, space, id string) *socket {
	c := &socket{d: d, all: all, conn: conn, space: space, id: id, out: make(chan frame, maxQueued), written: make(chan struct{})}
	c.root, c.stop = context.WithCancel(root)
	c.base.Session = dialogue.NewID()
	return c
}

// serve runs the connection to its end.
func (c *socket) serve() {
	go c.write()
	defer func() {
		c.stop()
		c.cancelTurn()
		c.waitTurn()
		if c.typing != nil {
			<-c.typing.ended
		}
		c.ending.Lock()
		c.ended = true
		c.ending.Unlock()
		close(c.out)
		<-c.written
	}()
	c.conn.SetReadLimit(maxFrame)
	deadline := func() { _ = c.conn.SetReadDeadline(time.Now().Add(pongWithin)) } // a broken connection fails at the read
	deadline()
	c.conn.SetPongHandler(func(string) error { deadline(); return nil })
	c.ready()
	for {
		kind, data, err := c.conn.ReadMessage()
		if err != nil {
			if errors.Is(err, websocket.ErrReadLimit) {
				c.refuse(websocket.CloseMessageTooBig, "a frame may have 1 MiB")
			}
			return
		}
		deadline()
		switch {
		case kind != websocket.TextMessage:
			c.refuse(websocket.CloseProtocolError, "clients send text frames only")
			return
		case !utf8.Valid(data):
			c.refuse(websocket.CloseInvalidFramePayloadData, "a text frame must be UTF-8")
			return
		}
		c.handle(data)
	}
}

// write is the only goroutine that writes frames.
func (c *socket) write() {
	defer close(c.written)
	defer func() {
		if p := recover(); p != nil {
			slog.Error("panic in a WebSocket writer", "id", c.id, "panic", p)
			_ = c.conn.Close()
		}
	}()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	broken := false
	send := func(kind int, data []byte) {
		if broken {
			return
		}
		_ = c.conn.SetWriteDeadline(time.Now().Add(writeWait)) // fails with the write
		if c.conn.WriteMessage(kind, data) != nil || kind == websocket.CloseMessage {
			broken = true
			c.stop()
			_ = c.conn.Close() // ends the reader
		}
	}
	for {
		select {
		case f, ok := <-c.out:
			if !ok {
				return
			}
			send(f.kind, f.data)
			if f.pooled != nil {
				*f.pooled = f.data[:0]
				frames.Put(f.pooled)
			}
		case <-ping.C:
			send(websocket.PingMessage, nil)
		}
	}
}

// send queues a text frame; a reader that is too slow loses the connection.
func (c *socket) send(data []byte) { c.queue(frame{kind: websocket.TextMessage, data: data}) }

func (c *socket) queue(f frame) {
	select {
	case c.out <- f:
		return
	default:
	}
	timer := time.NewTimer(writeWait)
	defer timer.Stop()
	select {
	case c.out <- f:
	case <-c.root.Done():
	case <-timer.C:
		c.stop()
		_ = c.conn.Close()
	}
}

// close sends a close frame and ends the connection. Control frames may be
// written beside the writer. Any goroutine may call it, at any time.
func (c *socket) close(code int, why string) {
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.ended {
		return
	}
	c.farewell(code, why)
	_ = c.conn.Close()
}

// farewell sends a close frame.
func (c *socket) farewell(code int, why string) {
	c.stop()
	_ = c.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, why), time.Now().Add(time.Second)) // best effort
}

// What refuse reads on of a client that is still sending.
const (
	lingerBytes = 8 << 20
	lingerTime  = time.Second
)

// refuse is close for the reader: a connection that is closed while the client
// still sends would be reset, and the client would never see why. So the rest is
// read and thrown away, for a while.
func (c *socket) refuse(code int, why string) {
	c.farewell(code, why)
	conn := c.conn.NetConn()
	_ = conn.SetReadDeadline(time.Now().Add(lingerTime)) // a broken connection fails at the read
	_, _ = io.CopyN(io.Discard, conn, lingerBytes)       // to its end, the limit or the deadline
	_ = conn.Close()
}

// leave ends the connection behind what is queued for it.
func (c *socket) leave() {
	c.ending.Lock()
	defer c.ending.Unlock()
	if c.ended {
		return
	}
	select {
	case c.out <- frame{kind: websocket.CloseMessage, data: websocket.FormatCloseMessage(websocket.CloseGoingAway, goingAway)}:
	default: // the reader is too slow for a farewell
		c.stop()
		_ = c.conn.Close()
	}
}

// drain closes an idle connection, or marks a busy one to close behind its
// turn.
func (c *socket) drain() {
	c.draining.Store(true)
	c.mu.Lock()
	idle := c.cancel == nil
	c.mu.Unlock()
	if idle {
		c.leave()
	}
}

// fail reports an error; the connection stays open.
func (c *socket) fail(err error) {
	object := web.From(err).AppendJSON(nil) // {"error":{…}}
	c.send(append([]byte(`{"type":"error",`), object[1:]...))
}
