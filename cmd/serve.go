package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"repartee/cpuset"
	"repartee/dialogue"
	"repartee/gpu"
	"repartee/inference"
	"repartee/inference/llama"
	"repartee/server"
	"repartee/server/metrics"
	"repartee/server/native/speech"
	"repartee/tts"
)

type serveCmd struct {
	Listen string `help:"Address of the API; port 0 picks one and prints it." default:"127.0.0.1:8080" placeholder:"ADDR"`
	Admin  string `help:"Second address for pprof and the effective configuration; empty = off. Never expose it." default:"" placeholder:"ADDR"`
	modelFlags
	voiceFlags
	APIKeyFile   string        `name:"api-key-file" help:"File with one API key a line, # comments, and weight=N behind a key for N times the share of one without; without it the API is open." placeholder:"FILE" type:"existingfile"`
	DrainTimeout time.Duration `help:"How long running streams may go on after SIGTERM. Too short cuts answers, too long holds restarts up." default:"30s" placeholder:"D"`
	LogFormat    string        `help:"Log lines as text or json." enum:"text,json" default:"text"`
	LogLevel     string        `help:"debug, info, warn or error; debug has a line a request." enum:"debug,info,warn,error" default:"info"`
}

// models makes inference.Set what dialogue asks for.
type models struct{ *inference.Set }

// Engine returns a resident model by name.
func (m models) Engine(name string) (dialogue.Engine, bool) {
	e, ok := m.Get(name)
	return e, ok
}

// cores lets speech and the language models share the processor: while speech is
// inferred, every engine leaves it a core.
type cores struct{ set atomic.Pointer[inference.Set] }

func (c *cores) speaking(on bool) {
	set := c.set.Load()
	if set == nil {
		return
	}
	for _, e := range set.Engines() {
		e.Yield(on)
	}
}

// logger sets up slog for the process.
func (c *serveCmd) logger(con *console) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		return usagef("--log-level %q: %v", c.LogLevel, err)
	}
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(con.err, opts)
	if c.LogFormat == "json" {
		h = slog.NewJSONHandler(con.err, opts)
	}
	slog.SetDefault(slog.New(h))
	inference.SetLogger(slog.Default())
	return nil
}

// Run serves until a signal.
func (c *serveCmd) Run(con *console) error {
	if err := c.logger(con); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	if err := checkCPUs("--tts-cpus", c.TTSCPUs); err != nil {
		return err
	}
	c.apart = len(c.CPUs) > 0 && len(c.TTSCPUs) > 0 && cpuset.Here().Apart(c.CPUs, c.TTSCPUs)
	var keys []server.Key
	if c.APIKeyFile != "" {
		var err error
		if keys, err = server.ReadKeys(c.APIKeyFile); err != nil {
			return fmt.Errorf("--api-key-file: %w", err)
		}
		if len(keys) == 0 {
			return usagef("--api-key-file %s: holds no key", c.APIKeyFile)
		}
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)

	meter := metrics.New(Version)
	srv := server.New(server.Config{Keys: keys, Metrics: meter, Version: Version})
	listener, err := listen(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen %s: %w", c.Listen, err)
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(listener) }()
	var resident atomic.Pointer[inference.Set]
	stopAdmin, err := c.serveAdmin(&resident)
	if err != nil {
		return err
	}
	defer stopAdmin()

	type loaded struct {
		set    *inference.Set
		voices *tts.Service
		err    error
	}
	loading := make(chan loaded, 1)
	// Voices learn of the card before they are loaded: they share it.
	sharing := make(chan *card, 1)
	lost := make(chan error, 1)
	c.parts = c.cardParts()
	c.hostParts = c.hostVoices()
	c.laterParts = []gpu.Part{{Name: "finished speech, in time", Bytes: uint64(c.TTSCache)}, {Name: "saved prefixes, in time", Bytes: uint64(c.KVHost)}}
	c.tell = func(p *hostPlan) { p.show(con, c.LogFormat == "text") }
	c.lostTo = func(gpu *card) {
		gpu.tell(lost)
		sharing <- gpu
	}
	var cores cores
	go func() {
		var (
			l        loaded
			voiceErr error
			voices   sync.WaitGroup
		)
		voices.Go(func() { // beside the model: most of both is waiting
			gpu, ok := <-sharing
			if ok {
				l.voices, voiceErr = c.loadVoices(cores.speaking, gpu.speech())
			}
		})
		l.set, l.err = c.loadObserved(con, meter)
		close(sharing)
		cores.set.Store(l.set)
		voices.Wait()
		l.err = cmp.Or(l.err, voiceErr)
		loading <- l
	}()
	var l loaded
	select {
	case l = <-loading:
	case <-signals:
		return errors.New("interrupted while loading")
	case err := <-failed:
		return err
	case err := <-lost:
		return c.withoutGPU(srv, listener, err)
	}
	defer func() {
		c.card.close()
		if l.set != nil {
			l.set.Close()
		}
		if l.voices != nil {
			l.voices.Close()
		}
	}()
	if l.err != nil {
		if c.card != nil && (errors.Is(l.err, llama.ErrContextAlloc) || errors.Is(l.err, llama.ErrModelFile) || errors.Is(l.err, llama.ErrFatal)) {
			return c.withoutGPU(srv, listener, l.err) // the card may have filled up meanwhile
		}
		return l.err
	}
	c.card.loaded(l.set, c.GPUAwake)
	meter.Watch(l.set)
	if c.card != nil {
		meter.WatchGPU(c.card.watcher.State, c.card.arbiter)
	}
	resident.Store(l.set)
	var speaker speech.Speaker
	if l.voices != nil {
		speaker = l.voices
	}
	srv.SetReady(server.Backends{Dialogue: newDialogue(l.set, &c.modelFlags), Speaker: speaker, Health: func() []byte { return healthDetail(l.set, l.voices, c.card) }})
	fmt.Fprintf(con.err, "listening on http://%s\n", listener.Addr())
	if l.voices != nil {
		l.voices.Warm()
	}

	select {
	case err := <-failed:
		return err
	case err := <-lost:
		return c.withoutGPU(srv, listener, err)
	case s := <-signals:
		slog.Info("draining", "signal", s.String(), "at_most", c.DrainTimeout.String())
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.DrainTimeout)
	defer cancel()
	drained := make(chan struct{})
	go func() { srv.Shutdown(ctx); close(drained) }()
	select {
	case <-drained:
	case s := <-signals:
		fmt.Fprintf(con.err, "repartee: second signal (%s), stopping now\n", s)
		os.Exit(0)
	}
	return nil
}
