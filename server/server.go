package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"repartee/dialogue"
	"repartee/server/metrics"
	"repartee/server/native"
	"repartee/server/native/speech"
	"repartee/server/ollama"
	"repartee/server/openai"
	"repartee/server/web"
)

// Limits of the listener.
const (
	maxBody       = 4 << 20 // beyond it 413
	maxHeader     = 32 << 10
	readTimeout   = 20 * time.Second // a whole request, so that dribbling ends
	idleTimeout   = 2 * time.Minute
	maxConns      = 4096
	closingWithin = 2 * time.Second
)

// Config of a Server.
type Config struct {
	Keys    []Key            // API keys; none = open
	Metrics *metrics.Metrics // nil = /metrics is empty
	Version string
	Log     *slog.Logger // nil = slog.Default()
}

// Backends are the rooms behind, ready to answer.
type Backends struct {
	Dialogue *dialogue.Service
	Speaker  speech.Speaker // nil = no speech
	Health   func() []byte  // JSON members behind "status", without braces
}

// Server serves HTTP on one listener.
type Server struct {
	cfg     Config
	http    *fasthttp.Server
	watcher *web.Watcher
	keys    map[string]tenant // by key
	root    context.Context
	stop    context.CancelCauseFunc

	backends atomic.Pointer[dialects]
	draining atomic.Bool
	running  sync.WaitGroup
	work     sync.Mutex // orders running.Add and draining
	sockets  native.Sockets
}

type dialects struct {
	Backends
	native *native.Dialect
	openai *openai.Dialect
	ollama *ollama.Dialect
}

// New makes a server that is not ready yet.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{cfg: cfg, watcher: web.NewWatcher(), keys: tenants(cfg.Keys)}
	s.root, s.stop = context.WithCancelCause(context.Background())
	s.sockets.Enter, s.sockets.Leave = s.enter, s.running.Done
	s.http = &fasthttp.Server{
		Handler: s.handle, Name: "repartee", ErrorHandler: s.broken,
		MaxRequestBodySize: maxBody, ReadBufferSize: maxHeader, ReadTimeout: readTimeout, IdleTimeout: idleTimeout,
		Concurrency: maxConns, NoDefaultServerHeader: true, NoDefaultContentType: true, CloseOnShutdown: true,
		Logger: quiet{}, HeaderReceived: func(h *fasthttp.RequestHeader) fasthttp.RequestConfig { return fasthttp.RequestConfig{} },
	}
	return s
}

// quiet drops fasthttp's own lines about broken connections.
type quiet struct{}

func (quiet) Printf(string, ...any) {}

// SetReady lets work in.
func (s *Server) SetReady(b Backends) {
	var observer speech.Observer
	if s.cfg.Metrics != nil {
		observer = s.cfg.Metrics
	}
	s.backends.Store(&dialects{
		b, &native.Dialect{Dialogue: b.Dialogue, Speaker: b.Speaker, Observer: observer},
		&openai.Dialect{Dialogue: b.Dialogue, Speaker: b.Speaker, Observer: observer, Created: time.Now()},
		&ollama.Dialect{Dialogue: b.Dialogue, Version: s.cfg.Version},
	})
}

// Serve accepts connections until Shutdown.
func (s *Server) Serve(l net.Listener) error { return s.http.Serve(web.Listener{Listener: l}) }

// enter counts a piece of work, unless the server drains.
func (s *Server) enter() bool {
	s.work.Lock()
	defer s.work.Unlock()
	if s.draining.Load() {
		return false
	}
	s.running.Add(1)
	return true
}

// Shutdown drains: new work gets 503 at once, running answers may finish until
// ctx ends, then they end with an error, and everything is closed.
func (s *Server) Shutdown(ctx context.Context) {
	s.work.Lock()
	s.draining.Store(true)
	s.work.Unlock()
	s.sockets.Drain()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.stop(web.ErrStopped)
		select {
		case <-done:
		case <-time.After(closingWithin):
		}
	}
	s.stop(web.ErrStopped)
	closing, cancel := context.WithTimeout(context.Background(), closingWithin)
	defer cancel()
	s.sockets.Close(closing)
	if err := s.http.ShutdownWithContext(closing); err != nil {
		s.cfg.Log.Debug("closing connections", "error", err)
	}
	s.watcher.Close()
}

// Key is a client's key and its share of the engine beside the others'.
type Key struct {
	Secret string
	Weight float64 // 0 = 1
}

// ReadKeys reads a key file: one key a line, # comments. Behind a key,
// "weight=N" gives it N times the share of one without, 0.01 … 100.
func ReadKeys(path string) ([]Key, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []Key
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		k := Key{Secret: fields[0]}
		if len(fields) > 1 {
			v, ok := strings.CutPrefix(fields[1], "weight=")
			if k.Weight, err = strconv.ParseFloat(v, 64); !ok || err != nil || !(k.Weight >= 0.01 && k.Weight <= 100) || len(fields) > 2 {
				return nil, fmt.Errorf("line %d: behind the key only weight=N is read, with N from 0.01 to 100", n)
			}
		}
		keys = append(keys, k)
	}
	return keys, nil
}
