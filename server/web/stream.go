package web

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// writeWithin is how long a client may take to accept a flush.
const writeWithin = 30 * time.Second

// StreamWriter writes a streamed body. Flush sends what was written.
type StreamWriter struct {
	*bufio.Writer
	ctx  *fasthttp.RequestCtx // nil once hijacked
	conn net.Conn
}

// Flush sends everything written so far; an error means the client is gone.
func (w *StreamWriter) Flush() error {
	if err := w.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return err
	}
	return w.Writer.Flush()
}

// Trailer sets a header that follows the body. HTTP/1.0 has none.
func (w *StreamWriter) Trailer(name, value string) {
	if w.ctx != nil {
		w.ctx.Response.Header.Set(name, value)
	}
}

// Event writes one server-sent event and sends it.
func (w *StreamWriter) Event(data []byte) error {
	_, _ = w.WriteString("data: ") // bufio keeps the first error for Flush
	_, _ = w.Write(data)
	_, _ = w.WriteString("\n\n")
	return w.Flush()
}

// Stream answers with a body that body writes piece by piece. trailers are the
// names of headers that it will set behind it. finish is called at the end in
// any case. A client that speaks HTTP/1.0 gets the pieces as they are made
// too, and then the end of the connection: fasthttp would hold them back.
func Stream(ctx *fasthttp.RequestCtx, contentType string, trailers []string, body func(w *StreamWriter), finish func()) {
	ctx.SetContentType(contentType)
	ctx.Response.Header.Set("Cache-Control", "no-store")
	ctx.Response.Header.Set("X-Accel-Buffering", "no")
	conn := ctx.Conn()
	run := func(w *StreamWriter) {
		defer finish()
		defer func() {
			if p := recover(); p != nil {
				slog.Error("panic in a stream", "panic", p, "stack", string(debug.Stack()))
				_ = w.Event((&Error{Status: 500, Type: "server_error", Msg: "internal error"}).AppendJSON(nil)) // best effort
			}
		}()
		body(w)
		_ = w.Flush() // the client may be gone
		_ = conn.SetWriteDeadline(time.Time{})
	}
	if ctx.Request.Header.IsHTTP11() {
		if len(trailers) > 0 {
			if err := ctx.Response.Header.SetTrailer(strings.Join(trailers, ", ")); err != nil {
				slog.Error("trailer", "error", err)
			}
		}
		ctx.Response.ImmediateHeaderFlush = true
		ctx.SetBodyStreamWriter(func(b *bufio.Writer) { run(&StreamWriter{b, ctx, conn}) })
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
	ctx.HijackSetNoResponse(true)
	ctx.Hijack(func(c net.Conn) {
		w := &StreamWriter{bufio.NewWriter(c), nil, conn}
		_, _ = w.WriteString(head.String())
		_ = w.Flush() // a client that is gone is seen by the next flush
		run(w)
	})
}
