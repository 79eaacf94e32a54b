package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"repartee/dialogue"
	"repartee/server/web"
)

// tenant is whom a key stands for.
type tenant struct {
	namespace string // no secret
	weight    float64
}

// tenants gives every key a namespace of its own.
func tenants(keys []Key) map[string]tenant {
	out := map[string]tenant{}
	for _, k := range keys {
		sum := sha256.Sum256([]byte(k.Secret))
		out[k.Secret] = tenant{hex.EncodeToString(sum[:8]), k.Weight}
	}
	return out
}

// handle stands around every request.
func (s *Server) handle(ctx *fasthttp.RequestCtx) {
	r := web.NewRequest(ctx, s.cfg.Log)
	r.Watcher, r.Root = s.watcher, s.root
	r.ID = requestID(ctx)
	ctx.Response.Header.Set("X-Request-Id", r.ID)
	ctx.Response.Header.Set("Server-Timing", "queue;dur=0")
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("panic in a handler", "path", string(ctx.Path()), "id", r.ID, "panic", p, "stack", string(debug.Stack()))
			r.Fail(&web.Error{Status: 500, Type: "server_error", Msg: "internal error"})
			r.Release()
		}
	}()
	s.route(r)
	if !r.Streaming() {
		r.Log(ctx.Response.StatusCode())
		r.Release()
	}
}

// requestID takes over a sane X-Request-Id or makes one.
func requestID(ctx *fasthttp.RequestCtx) string {
	id := ctx.Request.Header.Peek("X-Request-Id")
	if len(id) == 0 || len(id) > 128 {
		return dialogue.NewID()
	}
	for _, c := range id {
		if c <= ' ' || c > '~' {
			return dialogue.NewID()
		}
	}
	return string(id)
}

// route answers what needs no work itself and hands work to its dialect.
func (s *Server) route(r *web.Request) {
	ctx := r.HTTP
	path := string(ctx.URI().PathOriginal())
	if p, err := url.PathUnescape(path); err == nil {
		path = p
	}
	r.Ollama = strings.HasPrefix(path, "/api/")
	if twoLengths(&ctx.Request.Header) {
		ctx.SetConnectionClose()
		r.Fail(&web.Error{Status: 400, Type: "invalid_request_error", Code: "bad_request", Msg: "the request has both a Content-Length and a Transfer-Encoding: send one of them"})
		return
	}
	if probe := probes[path]; probe != nil {
		r.Quiet = true
		switch m := string(ctx.Method()); {
		case m == "OPTIONS":
			allow(ctx, "GET")
		case m != "GET" && m != "HEAD":
			refuseMethod(r, "GET")
		default:
			probe(s, r)
		}
		return
	}
	work := s.find(path)
	switch {
	case work == nil && path != "/":
		r.Fail(web.NotFound("route_not_found", "", "there is no "+path+"; there are: "+routeList))
		return
	case work != nil && string(ctx.Method()) == "OPTIONS":
		allow(ctx, work.methods)
		return
	case work != nil && !methodOK(work.methods, string(ctx.Method())):
		refuseMethod(r, work.methods)
		return
	case !s.authorize(r):
		r.Fail(&web.Error{Status: 401, Type: "authentication_error", Code: "invalid_api_key", Msg: "the API key is missing or wrong: send Authorization: Bearer KEY"})
		return
	}
	d := s.backends.Load()
	if d == nil {
		r.Fail(&web.Error{Status: 503, Type: "server_error", Code: "loading", Msg: "the models are still loading", RetryAfter: time.Second})
		return
	}
	if path == "/" {
		switch m := string(ctx.Method()); {
		case m == "OPTIONS":
			allow(ctx, "GET")
		case methodOK("GET", m):
			s.index(r)
		default:
			refuseMethod(r, "GET")
		}
		return
	}
	if !s.enter() {
		ctx.SetConnectionClose()
		r.Fail(&web.Error{Status: 503, Type: "server_error", Code: "draining", Msg: "the server is shutting down", RetryAfter: 5 * time.Second})
		return
	}
	released := false
	r.Release = func() {
		if !released {
			released = true
			s.running.Done()
		}
	}
	work.do(s, d, r, strings.TrimPrefix(path, work.prefix))
}

// probes need no key, no model and no place in the queue.
var probes = map[string]func(*Server, *web.Request){
	"/livez":   func(_ *Server, r *web.Request) { r.HTTP.SetBodyString("ok\n") },
	"/readyz":  (*Server).readyz,
	"/health":  (*Server).health,
	"/metrics": func(s *Server, r *web.Request) { s.cfg.Metrics.Write(r.HTTP) },
}

// allow answers OPTIONS.
func allow(ctx *fasthttp.RequestCtx, methods string) {
	ctx.Response.Header.Set("Allow", methods+", OPTIONS")
	ctx.SetStatusCode(204)
}

func refuseMethod(r *web.Request, methods string) {
	r.HTTP.Response.Header.Set("Allow", methods+", OPTIONS")
	r.Fail(&web.Error{Status: 405, Type: "invalid_request_error", Code: "method_not_allowed", Msg: string(r.HTTP.Method()) + " is not allowed here, only " + methods})
}

func methodOK(methods, method string) bool {
	if method == "HEAD" {
		method = "GET"
	}
	for _, m := range strings.Split(methods, ", ") {
		if m == method {
			return true
		}
	}
	return false
}

// authorize checks the key and sets the namespace.
func (s *Server) authorize(r *web.Request) bool {
	if len(s.keys) == 0 {
		return true
	}
	key, ok := bytes.CutPrefix(r.HTTP.Request.Header.Peek("Authorization"), []byte("Bearer "))
	if !ok && string(r.HTTP.Path()) == "/ws" {
		key = r.HTTP.QueryArgs().Peek("key")
	}
	who, ok := s.keys[string(bytes.TrimSpace(key))]
	r.Namespace, r.Weight = who.namespace, who.weight
	return ok
}

// route is a path or prefix with the methods it takes.
type route struct {
	prefix, methods string
	exact           bool
	do              func(s *Server, d *dialects, r *web.Request, rest string)
}

var routes = []route{
	{"/chat", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.native.Chat(r) }},
	{"/chat/", "GET, DELETE", false, func(_ *Server, d *dialects, r *web.Request, id string) { d.native.Session(r, id) }},
	{"/tts", "GET, POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.native.TTS(r) }},
	{"/voices", "GET", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.native.Voices(r) }},
	{"/ws", "GET", true, func(s *Server, d *dialects, r *web.Request, _ string) { d.native.WebSocket(r, &s.sockets) }},
	{"/v1/chat/completions", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.openai.Chat(r) }},
	{"/v1/completions", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.openai.Text(r) }},
	{"/v1/embeddings", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.openai.Embeddings(r) }},
	{"/v1/models", "GET", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.openai.Models(r) }},
	{"/v1/models/", "GET", false, func(_ *Server, d *dialects, r *web.Request, id string) { d.openai.Model(r, id) }},
	{"/api/chat", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.ollama.Chat(r) }},
	{"/api/generate", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.ollama.Generate(r) }},
	{"/api/embed", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.ollama.Embed(r) }},
	{"/api/embeddings", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.ollama.Embedding(r) }},
	{"/api/tags", "GET", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.ollama.Tags(r) }},
	{"/api/ps", "GET", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.ollama.Running(r) }},
	{"/api/show", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.ollama.Show(r) }},
	{"/api/version", "GET", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.ollama.Release(r) }},
	{"/v1/audio/speech", "POST", true, func(_ *Server, d *dialects, r *web.Request, _ string) { d.openai.Speech(r) }},
}

// routeList names everything that is served.
var routeList = func() string {
	var names []string
	for _, rt := range routes {
		if rt.exact {
			names = append(names, rt.prefix)
		}
	}
	return strings.Join(append(names, "/health", "/livez", "/readyz", "/metrics"), ", ")
}()

func (s *Server) find(path string) *route {
	for i := range routes {
		if rt := &routes[i]; path == rt.prefix && rt.exact || !rt.exact && strings.HasPrefix(path, rt.prefix) {
			return rt
		}
	}
	return nil
}

// twoLengths tells whether a request says its length in two ways, which proxies
// and servers may read differently.
func twoLengths(h *fasthttp.RequestHeader) bool {
	if h.ContentLength() >= 0 {
		return false // not chunked
	}
	chunked, length := false, false
	for line := range bytes.Lines(h.RawHeaders()) {
		name, _, _ := bytes.Cut(line, []byte(":"))
		chunked = chunked || bytes.EqualFold(name, []byte("Transfer-Encoding"))
		length = length || bytes.EqualFold(name, []byte("Content-Length"))
	}
	return chunked && length
}

// tooLarge answers bodies over the limit, before they are read.
var tooLarge = &web.Error{Status: 413, Type: "invalid_request_error", Code: "body_too_large", Msg: "the body is over 4 MiB"}

// broken answers requests that could not even be read.
func (s *Server) broken(ctx *fasthttp.RequestCtx, err error) {
	r := web.NewRequest(ctx, s.cfg.Log)
	r.ID = dialogue.NewID()
	ctx.Response.Header.Set("X-Request-Id", r.ID)
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		r.Fail(&web.Error{Status: 431, Type: "invalid_request_error", Code: "headers_too_large", Msg: "the request's headers are over 32 KiB"})
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		r.Fail(tooLarge)
	default:
		// fasthttp quotes what it has read: headers and bodies hold secrets.
		why, _, _ := strings.Cut(err.Error(), ": buffer size=")
		why, _, _ = strings.Cut(why, " in \"")
		r.Fail(&web.Error{Status: 400, Type: "invalid_request_error", Code: "bad_request", Msg: "the request could not be read: " + why})
	}
	ctx.SetConnectionClose()
	web.Linger(ctx.Conn())
	r.Log(ctx.Response.StatusCode())
}
