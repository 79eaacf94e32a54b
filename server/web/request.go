package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"repartee/inference"
)

// Request is one HTTP request on its way through a dialect.
type Request struct {
	HTTP      *fasthttp.RequestCtx
	ID        string
	Namespace string  // of the API key; keeps caches and sessions apart
	Weight    float64 // of the API key, 0 = 1
	Began     time.Time
	Watcher   *Watcher
	Root      context.Context // ends when running answers must end
	Release   func()          // tells the server that the answer is out; once
	Ollama    bool            // errors in Ollama's shape
	Quiet     bool            // a probe: the access log leaves it out

	log       *slog.Logger
	streaming bool
	left      bool // the client was gone before the answer
	path      string
	method    string
}

// NewRequest takes what must outlive the handler out of ctx.
func NewRequest(ctx *fasthttp.RequestCtx, log *slog.Logger) *Request {
	return &Request{HTTP: ctx, Began: time.Now(), Release: func() {}, log: log, path: string(ctx.Path()), method: string(ctx.Method())}
}

// Context returns a context that ends with ErrLeft when the client leaves or
// with ErrStopped when the server must stop, and what releases it.
func (r *Request) Context() (context.Context, context.CancelCauseFunc) {
	return r.Watcher.Watch(r.Root, r.HTTP.Conn())
}

// Fail answers with an error.
func (r *Request) Fail(err error) {
	e := From(err)
	ctx := r.HTTP
	ctx.Response.ResetBody()
	ctx.SetStatusCode(e.Status)
	if e.Status == StatusClosed {
		r.left = true
		ctx.SetConnectionClose()
	}
	if e.RetryAfter > 0 {
		ctx.Response.Header.Set("Retry-After", strconv.Itoa(max(1, int((e.RetryAfter+time.Second-1)/time.Second))))
	}
	if e.Status == 500 {
		r.log.Error("request failed", "path", r.path, "id", r.ID, "error", e.Msg)
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(r.AppendError(nil, e))
}

// AppendError writes an error in the shape of the request's dialect.
func (r *Request) AppendError(b []byte, e *Error) []byte {
	if r.Ollama {
		return append(AppendString(append(b, `{"error":`...), e.Msg), '}')
	}
	return e.AppendJSON(b)
}

// JSON answers with a body that is ready.
func (r *Request) JSON(body []byte) {
	r.HTTP.SetContentType("application/json")
	r.HTTP.Response.SetBodyRaw(body)
}

// Stream answers piece by piece: body is called with the writer, on the
// connection's goroutine, after the handler has returned; finish behind it in
// any case. ctx and cancel are what Context returned: cancel is called when a
// write fails and at the end.
func (r *Request) Stream(ctx context.Context, cancel context.CancelCauseFunc, contentType string, trailers []string, body func(w *StreamWriter), finish func()) {
	r.streaming = true
	status := r.HTTP.Response.StatusCode()
	stream(r.HTTP, contentType, trailers, body, func() { cancel(ErrLeft) }, func() {
		r.left = r.left || errors.Is(context.Cause(ctx), ErrLeft)
		finish()
		cancel(nil)
		r.Log(status)
		r.Release()
	})
}

// Streaming tells whether the answer goes on after the handler.
func (r *Request) Streaming() bool { return r.streaming }

// Log writes the access line: never a word of what was asked or answered.
func (r *Request) Log(status int) {
	if r.left {
		status = StatusClosed
	}
	level := slog.LevelInfo
	if r.Quiet && status < 500 {
		level = slog.LevelDebug
	}
	if !r.log.Enabled(context.Background(), level) {
		return
	}
	r.log.LogAttrs(context.Background(), level, "request",
		slog.String("method", r.method), slog.String("path", r.path), slog.Int("status", status),
		slog.Float64("ms", float64(time.Since(r.Began).Microseconds())/1000), slog.String("id", r.ID), slog.String("client", client(r.HTTP.RemoteAddr())))
}

func client(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// Mark is one entry of a Server-Timing header.
type Mark struct {
	Name string
	D    time.Duration
}

// AwaitFirst is how long a stream's head waits for the first piece, so that what
// fails at once gets a status, and the head a measured Server-Timing.
const AwaitFirst = time.Second

// Marks are the timings of a finished generation.
func Marks(t inference.Timings) []Mark {
	return []Mark{{"queue", t.Queue}, {"prefill", t.Prefill}, {"first", t.FirstToken}, {"total", t.Total}}
}

// AppendTiming writes a Server-Timing value, milliseconds.
func AppendTiming(b []byte, marks ...Mark) []byte {
	for i, m := range marks {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(b, m.Name...), ";dur="...)
		b = strconv.AppendFloat(b, float64(m.D.Microseconds())/1000, 'f', 2, 64)
	}
	return b
}

// Timing sets the Server-Timing header.
func (r *Request) Timing(marks ...Mark) {
	var buf [128]byte
	r.HTTP.Response.Header.SetBytesV("Server-Timing", AppendTiming(buf[:0], marks...))
}
