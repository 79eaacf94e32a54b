package tts

import (
	"context"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"repartee/tts/voice"
)

// fakeVoice hums: each phoneme is ten milliseconds of a tone of its own, so the
// samples tell which text, speed and seed they were made of.
type fakeVoice struct {
	speeches atomic.Int32
	running  atomic.Int32
	most     atomic.Int32
	hold     chan struct{} // when set, each inference waits for a value or its end
	fail     string        // units with this in them fail
	panics   string        // and with this in them panic
	timed    bool          // marks are returned
	device   string        // empty = cpu
	fixed    bool          // it knows one speed only
	soft     float32       // the second speaker is so much softer; 0 = no
}

const fakeRate = 16000

func (f *fakeVoice) Info() voice.Info {
	device, only := f.device, 0.0
	if device == "" {
		device = DeviceCPU
	}
	if f.fixed {
		only = 1
	}
	return voice.Info{Slowest: only, Fastest: only, Family: "fake", Language: "en-US", Licence: "CC0", SampleRate: fakeRate, Espeak: "en-us", MaxUnits: 60, Device: device, Timed: f.timed, Speakers: []string{"ann", "bob"}}
}

func (f *fakeVoice) Close() {}

type fakeError struct{}

func (fakeError) Error() string { return "the fake voice was told to fail" }

func (f *fakeVoice) Speak(ctx context.Context, u voice.Utterance, gate voice.Gate, emit func([]float32) error) ([]voice.Mark, error) {
	f.speeches.Add(1)
	if f.panics != "" && strings.Contains(u.Units, f.panics) {
		panic("fake panic")
	}
	var marks []voice.Mark
	at := 0
	for k, word := range strings.Fields(u.Units) {
		var s []float32
		err := gate(ctx, func() error {
			n := f.running.Add(1)
			defer f.running.Add(-1)
			for m := f.most.Load(); n > m && !f.most.CompareAndSwap(m, n); m = f.most.Load() {
			}
			if f.hold != nil {
				select {
				case <-f.hold:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			if f.fail != "" && strings.Contains(word, f.fail) {
				return fakeError{}
			}
			for _, r := range word {
				for i := range int(fakeRate / 100 / u.Speed) {
					s = append(s, 0.1*float32(math.Sin(float64(i)*float64(int(r)%37+int(u.Seed)+u.Speaker.ID+5)/50)))
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if f.soft > 0 && u.Speaker.ID == 1 {
			for i := range s {
				s[i] *= f.soft
			}
		}
		if f.timed {
			clock := func(n int) time.Duration { return time.Duration(n) * time.Second / fakeRate }
			marks = append(marks, voice.Mark{Unit: word, Word: k, Start: clock(at), End: clock(at + len(s))})
		}
		at += len(s)
		if err := emit(s); err != nil {
			return nil, err
		}
	}
	return marks, nil
}

// fakePhonemes spells: the phonemes of a text are the text.
type fakePhonemes struct{}

func (fakePhonemes) Phonemes(ctx context.Context, language string, segments ...string) ([]string, error) {
	return segments, ctx.Err()
}
func (fakePhonemes) Close() {}

// fakeService has the voices "one" and "two", both v.
func fakeService(t testing.TB, v *fakeVoice, cfg Config) *Service {
	t.Helper()
	s := newService(cfg)
	s.ph = fakePhonemes{}
	hold := v.hold
	v.hold = nil // warming does not wait
	for _, name := range []string{"one", "two"} {
		if err := s.add(name, v); err != nil {
			t.Fatalf("add(%q): %v", name, err)
		}
	}
	v.hold = hold
	t.Cleanup(s.Close)
	return s
}
