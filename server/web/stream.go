package web

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

const (
	// writeWithin is how long a client may take to accept what is sent.
	writeWithin = 30 * time.Second
	// keepAlive is the longest silence inside an event stream.
	keepAlive = time.Second
)

// StreamWriter sends a streamed body: each call goes out at once, as one chunk
// in one packet. Its methods may be called by one goroutine.
type StreamWriter struct {
	mu    sync.Mutex // the keep-alive timer writes too
	dst   io.Writer
	conn  net.Conn
	http  *fasthttp.RequestCtx // nil once hijacked
	buf   []byte
	err   error     // of the first write that failed
	sent  time.Time // of the last write
	armed time.Time // when the write deadline was last set
	timer *time.Timer
	gone  func() // called when a write failed
}

// Send sends b as it is. An error means that the client is gone.
func (w *StreamWriter) Send(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.write(b)
}

// Event sends one server-sent event. data must not hold a line break.
func (w *StreamWriter) Event(data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(append(append(w.buf[:0], "data: "...), data...), "\n\n"...)
	return w.write(w.buf)
}

// write needs mu.
func (w *StreamWriter) write(b []byte) error {
	if w.err != nil || len(b) == 0 {
		return w.err
	}
	w.sent = time.Now()
	if w.sent.Sub(w.armed) > time.Second { // a deadline costs more than a clock
		w.armed = w.sent
		if w.err = w.conn.SetWriteDeadline(w.sent.Add(writeWithin)); w.err != nil {
			return w.err
		}
	}
	if _, w.err = w.dst.Write(b); w.err != nil && w.gone != nil {
		w.gone()
	}
	return w.err
}

// Trailer sets a header that follows the body. HTTP/1.0 has none.
func (w *StreamWriter) Trailer(name, value string) {
	if w.http != nil {
		w.http.Response.Header.Set(name, value)
	}
}

var errCut = errors.New("web: the body was cut off")

// Cut ends the body without its regular end, so that the client can tell that
// something is missing. For bodies that have no place for an error.
func (w *StreamWriter) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = errCut
	}
}

// idle sends a comment into an event stream when nothing else was sent lately:
// proxies keep the connection, and a client that left is noticed.
func (w *StreamWriter) idle() {
	defer func() {
		if p := recover(); p != nil {
			slog.Error("panic in a keep-alive", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil || w.timer == nil {
		return
	}
	silent := time.Since(w.sent)
	if silent >= keepAlive {
		silent = 0
		if w.write([]byte(": keep-alive\n\n")) != nil {
			return
		}
	}
	w.timer.Reset(keepAlive - silent)
}

// run calls body with everything that must stand around it.
func (w *StreamWriter) run(events bool, body func(w *StreamWriter)) error {
	if events {
		w.mu.Lock()
		w.sent = time.Now()
		w.timer = time.AfterFunc(keepAlive, w.idle)
		w.mu.Unlock()
	}
	func() {
		defer func() {
			if p := recover(); p != nil {
				slog.Error("panic in a stream", "panic", p, "stack", string(debug.Stack()))
				if events {
					_ = w.Event((&Error{Status: 500, Type: "server_error", Msg: "internal error"}).AppendJSON(nil)) // best effort
				}
				w.Cut()
			}
		}()
		body(w)
	}()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	return w.err
}

// streamBody is a response body that fasthttp asks to write itself, on the
// connection's own goroutine: no pipe and no switch between a token and the
// socket.
type streamBody struct {
	w      *StreamWriter
	events bool
	body   func(w *StreamWriter)
	finish func()
	once   sync.Once
}

// SupportsBodyWriteTo makes fasthttp call WriteTo.
func (s *streamBody) SupportsBodyWriteTo() bool { return true }

// WriteTo writes the body; each Write to dst is a chunk that is flushed.
func (s *streamBody) WriteTo(dst io.Writer) (int64, error) {
	s.w.dst = dst
	return 0, s.w.run(s.events, s.body)
}

// Read stands for nothing: WriteTo is what is called.
func (s *streamBody) Read([]byte) (int, error) { return 0, io.EOF }

// Close is called in any case, also when not even the head could be sent.
func (s *streamBody) Close() error {
	s.once.Do(s.finish)
	return nil
}

// stream answers with a body that body sends piece by piece. trailers are the
// names of headers that it will set behind it. finish is called at the end in
// any case; gone as soon as a write fails. A client that speaks HTTP/1.0 gets
// the pieces as they are made too, and then the end of the connection: fasthttp
// would hold them back.
func stream(ctx *fasthttp.RequestCtx, contentType string, trailers []string, body func(w *StreamWriter), gone, finish func()) {
	ctx.SetContentType(contentType)
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.Response.Header.Set("X-Accel-Buffering", "no")
	w := &StreamWriter{conn: ctx.Conn(), gone: gone}
	events := strings.HasPrefix(contentType, "text/event-stream")
	if ctx.Request.Header.IsHTTP11() {
		if len(trailers) > 0 {
			if err := ctx.Response.Header.SetTrailer(strings.Join(trailers, ", ")); err != nil {
				slog.Error("trailer", "error", err)
			}
		}
		w.http = ctx
		ctx.SetBodyStream(&streamBody{w: w, events: events, body: body, finish: finish}, -1)
		return
	}
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP/1.0 %d %s\r\nConnection: close\r\n", ctx.Response.StatusCode(), fasthttp.StatusMessage(ctx.Response.StatusCode()))
	for k, v := range ctx.Response.Header.All() {
		if name := string(k); !strings.EqualFold(name, "Connection") && !strings.EqualFold(name, "Content-Length") {
			fmt.Fprintf(&head, "%s: %s\r\n", name, v)
		}
	}
	head.WriteString("\r\n")
	only := ctx.IsHead()
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) {
		defer finish()
		w.dst = c
		if w.Send([]byte(head.String())) == nil && !only {
			_ = w.run(events, body) // the client may be gone
		}
	})
}
