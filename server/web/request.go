package web

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Request is one HTTP request on its way through a dialect.
type Request struct {
	HTTP      *fasthttp.RequestCtx
	ID        string
	Namespace string // of the API key; keeps caches and sessions apart
	Began     time.Time
	Watcher   *Watcher
	Root      context.Context // ends when running answers must end
	Release   func()          // tells the server that the answer is out; once
	Ollama    bool            // errors in Ollama's shape

	streaming bool
	path      string
	method    string
}

// NewRequest takes what must outlive the handler out of ctx.
func NewRequest(ctx *fasthttp.RequestCtx) *Request {
	return &Request{HTTP: ctx, Began: time.Now(), path: string(ctx.Path()), method: string(ctx.Method())}
}

// Context returns a context that ends when the client leaves or the server
// must stop, and what releases it.
func (r *Request) Context() (context.Context, context.CancelFunc) {
	return r.Watcher.Watch(r.Root, r.HTTP.Conn())
}

// Fail answers with an error.
func (r *Request) Fail(err error) {
	e := From(err)
	ctx := r.HTTP
	ctx.Response.ResetBody()
	ctx.SetStatusCode(e.Status)
	if e.Status == StatusClosed {
		ctx.SetStatusCode(503) // nobody reads it; the log says 499
		ctx.Response.Header.Set("X-Client-Closed", "1")
	}
	if e.RetryAfter > 0 {
		ctx.Response.Header.Set("Retry-After", strconv.Itoa(max(1, int((e.RetryAfter+time.Second-1)/time.Second))))
	}
	ctx.SetContentType("application/json")
	if r.Ollama {
		ctx.SetBody(append(AppendString([]byte(`{"error":`), e.Msg), '}'))
		return
	}
	ctx.SetBody(e.AppendJSON(nil))
}

// JSON answers with a body that is ready.
func (r *Request) JSON(body []byte) {
	r.HTTP.SetContentType("application/json")
	r.HTTP.SetBody(body)
}

// Stream answers piece by piece; see Stream.
func (r *Request) Stream(contentType string, trailers []string, body func(w *StreamWriter), finish func()) {
	r.streaming = true
	status := r.HTTP.Response.StatusCode()
	Stream(r.HTTP, contentType, trailers, body, func() {
		finish()
		r.Log(status)
		r.Release()
	})
}

// Streaming tells whether the answer goes on after the handler.
func (r *Request) Streaming() bool { return r.streaming }

// Log writes the access line.
func (r *Request) Log(status int) {
	slog.Debug("request", "method", r.method, "path", r.path, "status", status, "ms", time.Since(r.Began).Milliseconds(), "id", r.ID)
}

// Timing sets the Server-Timing header from pairs of name and duration.
func (r *Request) Timing(pairs ...any) {
	var b []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = fmt.Appendf(b, "%s;dur=%.2f", pairs[i], float64(pairs[i+1].(time.Duration).Microseconds())/1000)
	}
	r.HTTP.Response.Header.SetBytesV("Server-Timing", b)
}
