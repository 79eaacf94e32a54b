package tts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"repartee/tts/espeak"
	"repartee/tts/onnx"
	"repartee/tts/voice"
)

// Service keeps voices resident and speaks with them. All methods may be
// called from any goroutine.
type Service struct {
	cfg    Config
	log    *slog.Logger
	voices []*resident
	byName map[string]*resident
	ph     phonemizer
	gate   *gate
	ctx    context.Context // ends with the service
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	active int // speeches and narrators admitted
	shelf  *shelf
	disk   *disk // nil = speech is kept in memory only

	busyMu sync.Mutex
	busy   int
}

const (
	defaultQueue = 64
	defaultText  = 1 << 20
)

// New loads and warms every voice of cfg. It is slow (a second or so a voice).
func New(cfg Config) (_ *Service, err error) {
	if len(cfg.Voices) == 0 {
		return nil, errors.New("tts: no voice to load")
	}
	if cfg.Threads <= 0 {
		cfg.Threads = defaultThreads(cfg.CPUs)
	}
	if err := onnx.Open(cfg.Runtime); err != nil {
		return nil, fmt.Errorf("tts: %w", err)
	}
	s := newService(cfg)
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	if cfg.CacheDir != "" && cfg.CacheDisk > 0 {
		if s.disk, err = openDisk(cfg.CacheDir, cfg.CacheDisk, s.log); err != nil {
			return nil, err
		}
	}
	where, err := newPlacement(cfg.Device, cfg.CUDA)
	if err != nil {
		return nil, err
	}
	if where.why != nil && where.device == DeviceAuto && cfg.CUDA.Prepare != nil {
		s.log.Info("speech runs on the CPU", "why", where.why)
	}
	for _, spec := range cfg.Voices {
		t0 := time.Now()
		print := s.fingerprint(spec.Path)
		v, why, err := where.place(s.ctx, spec.Path, voice.Options{Threads: cfg.Threads, CPUs: cfg.CPUs, Licence: spec.Licence, Logger: s.log.With("voice", spec.Name)})
		if err != nil {
			return nil, fmt.Errorf("tts: voice %q: %w", spec.Name, err)
		}
		if !v.Info().Characters && s.ph == nil {
			s.ph, err = espeak.New(espeak.Config{Program: cfg.Phonemizer, Library: cfg.EspeakLibrary, Data: cfg.EspeakData, Processes: max(cfg.Threads, 2)})
			if err != nil {
				v.Close()
				return nil, fmt.Errorf("tts: voice %q needs a phonemizer: %w", spec.Name, err)
			}
		}
		if err := s.add(spec.Name, v); err != nil {
			return nil, err
		}
		s.byName[spec.Name].why, s.byName[spec.Name].path = why, spec.Path
		if s.byName[spec.Name].files, err = print(); err != nil {
			return nil, fmt.Errorf("tts: voice %q: %w", spec.Name, err)
		}
		s.log.Info("voice loaded", "voice", spec.Name, "family", v.Info().Family, "rate", v.Info().SampleRate,
			"device", v.Info().Device, "took", time.Since(t0).Round(time.Millisecond))
	}
	return s, nil
}

// fingerprint computes a voice's fingerprint beside its loading; the result
// waits for it. Without a cache on disk nobody needs one.
func (s *Service) fingerprint(path string) func() ([32]byte, error) {
	if s.disk == nil {
		return func() ([32]byte, error) { return [32]byte{}, nil }
	}
	var print [32]byte
	var err error
	done := make(chan struct{})
	s.wg.Go(func() { // Close waits for it
		defer close(done)
		print, err = s.cfg.fingerprint(path)
	})
	return func() ([32]byte, error) {
		<-done
		return print, err
	}
}

// newService makes a service without voices.
func newService(cfg Config) *Service {
	if cfg.MaxQueue <= 0 {
		cfg.MaxQueue = defaultQueue
	}
	if cfg.MaxText <= 0 {
		cfg.MaxText = defaultText
	}
	if cfg.Threads <= 0 {
		cfg.Threads = 1
	}
	s := &Service{cfg: cfg, log: cfg.Logger, byName: map[string]*resident{}, gate: newGate(cfg.Threads, cfg.Crowded), shelf: newShelf(cfg.CacheBytes)}
	if s.log == nil {
		s.log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// add warms a voice and makes it resident; the service owns it from then on.
func (s *Service) add(name string, v voice.Voice) error {
	if name == "" || s.byName[name] != nil {
		v.Close()
		return fmt.Errorf("tts: voice name %q is empty or taken", name)
	}
	r, err := newResident(s.ctx, name, v)
	if err != nil {
		v.Close()
		return err
	}
	if !r.info.Characters {
		if _, err := s.ph.Phonemes(s.ctx, r.info.Espeak, "hello"); err != nil {
			v.Close()
			return fmt.Errorf("tts: voice %q: %w", name, err)
		}
	}
	s.voices = append(s.voices, r)
	s.byName[name] = r
	return nil
}

// Close cancels what is running, waits for it, and releases the voices.
// It may be called twice.
func (s *Service) Close() {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		s.wg.Wait()
		return
	}
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.wg.Wait()
	for _, r := range s.voices {
		r.voice.Close()
	}
	if s.ph != nil {
		s.ph.Close()
	}
	s.disk.close()
}

// Voices lists the resident voices, default first.
func (s *Service) Voices() []Voice {
	out := make([]Voice, len(s.voices))
	for i, r := range s.voices {
		out[i] = r.describe()
	}
	return out
}

// Default is the name of the default voice.
func (s *Service) Default() string { return s.voices[0].name }

// find resolves a voice name or alias.
func (s *Service) find(name string) (*resident, error) {
	if name == "" {
		return s.voices[0], nil
	}
	if r := s.byName[name]; r != nil {
		return r, nil
	}
	if to, ok := s.cfg.Aliases[name]; ok {
		if to == "" {
			return s.voices[0], nil
		}
		if r := s.byName[to]; r != nil {
			return r, nil
		}
	}
	have := make([]string, len(s.voices))
	for i, r := range s.voices {
		have[i] = r.name
	}
	return nil, &ErrUnknownVoice{Name: name, Have: have}
}

// admit counts a new speech or narrator in and joins it to the group that
// Close waits for; release is called when it has ended.
func (s *Service) admit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitLocked()
}

func (s *Service) admitLocked() error {
	if s.closed {
		return ErrClosed
	}
	if s.active >= s.cfg.MaxQueue {
		return &ErrQueueFull{RetryAfter: time.Duration(1+s.active/16) * time.Second}
	}
	s.active++
	s.wg.Add(1)
	return nil
}

func (s *Service) release() {
	s.mu.Lock()
	s.active--
	s.mu.Unlock()
	s.wg.Done()
}

// working tells Config.Busy about the first inference to start and the last
// to end.
func (s *Service) working(on bool) {
	if s.cfg.Busy == nil {
		return
	}
	s.busyMu.Lock()
	defer s.busyMu.Unlock()
	if on {
		s.busy++
		if s.busy == 1 {
			s.cfg.Busy(true)
		}
		return
	}
	s.busy--
	if s.busy == 0 {
		s.cfg.Busy(false)
	}
}
