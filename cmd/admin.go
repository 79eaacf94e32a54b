package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"

	"repartee/inference"
	"repartee/inference/llama"
	"repartee/tts"
)

// serveAdmin opens the admin listener, if one is wanted, and returns what
// closes it. resident is empty while models are loaded.
func (c *serveCmd) serveAdmin(resident *atomic.Pointer[inference.Set]) (func(), error) {
	if c.Admin == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", c.Admin)
	if err != nil {
		return nil, fmt.Errorf("--admin %s: %w", c.Admin, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/config", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(c); err != nil {
			slog.Debug("writing the configuration", "error", err)
		}
	})
	engines := func(what string, print func(*inference.Engine, io.Writer) error) {
		mux.HandleFunc("GET /debug/"+what, func(w http.ResponseWriter, _ *http.Request) {
			set := resident.Load()
			if set == nil {
				http.Error(w, "models are being loaded", http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			for _, e := range set.Engines() {
				if err := print(e, w); err != nil {
					slog.Debug("printing "+what, "model", e.Name(), "error", err)
					return
				}
			}
		})
	}
	engines("kv", (*inference.Engine).DebugKV)
	engines("speculation", (*inference.Engine).DebugSpeculation)
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := srv.Serve(l); err != http.ErrServerClosed {
			slog.Error("admin listener", "error", err)
		}
	}()
	slog.Info("admin listener", "address", "http://"+l.Addr().String())
	return func() { _ = srv.Close() }, nil
}

// healthDetail is what /health says of models, voices and versions.
func healthDetail(set *inference.Set, voices *tts.Service, gpu *card) []byte {
	type model struct {
		Name          string `json:"name"`
		Description   string `json:"description"`
		ContextTokens int    `json:"context_tokens"`
		Running       int    `json:"running"`
		Waiting       int    `json:"waiting"`
		CellsUsed     int    `json:"kv_cells_used"`
		Cells         int    `json:"kv_cells"`
	}
	out := struct {
		Models   []model           `json:"models"`
		Voices   []tts.Voice       `json:"voices"`
		Devices  []string          `json:"devices"`
		Device   string            `json:"device"` // what is computed on, and why
		GPU      *cardReport       `json:"gpu,omitempty"`
		Versions map[string]string `json:"versions"`
	}{Models: []model{}, Voices: []tts.Voice{}, Versions: map[string]string{"llama.cpp": llama.Version(), "onnxruntime": onnxRuntimeVersion}}
	for _, name := range set.Names() {
		e, _ := set.Get(name)
		s := e.Stats()
		out.Models = append(out.Models, model{name, e.Info().Description, e.ContextSize(), s.Running, s.Waiting, s.Cache.Used, s.Cache.Cells})
	}
	if voices != nil {
		out.Voices = voices.Voices()
	}
	for _, d := range llama.Devices() {
		out.Devices = append(out.Devices, d.Name)
	}
	out.Device, out.GPU = chosen.device.Why, gpu.report()
	b, err := json.Marshal(out)
	if err != nil || len(b) < 2 {
		return []byte(`"models":[]`)
	}
	return b[1 : len(b)-1]
}
