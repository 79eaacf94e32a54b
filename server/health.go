package server

import (
	_ "embed"
	"time"

	"repartee/server/web"
)

//go:embed index.html
var indexPage []byte

func (s *Server) index(r *web.Request) {
	r.HTTP.SetContentType("text/html; charset=utf-8")
	r.HTTP.SetBody(indexPage)
}

// status is what readiness is made of.
func (s *Server) status() string {
	switch {
	case s.draining.Load():
		return "draining"
	case s.backends.Load() == nil:
		return "loading"
	}
	return "ready"
}

// readyz is 200 only while work is let in.
func (s *Server) readyz(r *web.Request) {
	st := s.status()
	if st != "ready" {
		r.Fail(&web.Error{Status: 503, Type: "server_error", Code: st, Msg: "the server is " + st, RetryAfter: time.Second})
		return
	}
	r.HTTP.SetBodyString("ok\n")
}

// health describes the process in JSON.
func (s *Server) health(r *web.Request) {
	st := s.status()
	b := web.AppendString([]byte(`{"status":`), st)
	b = web.AppendString(append(b, `,"version":`...), s.cfg.Version)
	if d := s.backends.Load(); d != nil && d.Health != nil {
		b = append(append(b, ','), d.Health()...)
	}
	r.JSON(append(b, '}'))
	if st != "ready" {
		r.HTTP.SetStatusCode(503)
	}
}
