package tts

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"repartee/tts/voice"
)

// warmLengths are the lengths, in phonemes or letters, that a voice on a card speaks
// once after it was loaded: kernels are chosen for each shape when it first comes.
var warmLengths = []int{60, 120, 250}

// Warm begins to speak with every voice on a card in all usual lengths, for nobody,
// and returns at once. On a processor there is nothing to choose, and voices run in
// windows of the same few sizes whatever the text: the first long text takes no
// longer there than the next (docs/performance.md). It takes one place of the runtime, behind whatever is asked for
// meanwhile and while no language model computes; a server calls it when it is
// ready. Close ends it.
func (s *Service) Warm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.wg.Go(func() {
		began := time.Now()
		for _, r := range s.voices {
			if r.info.Device != DeviceCUDA {
				continue
			}
			if err := s.warmVoice(r); err != nil {
				if s.ctx.Err() == nil {
					s.log.Warn("warming a voice", "voice", r.name, "error", err)
				}
				return
			}
		}
		s.log.Debug("voices are warm", "took", time.Since(began).Round(time.Millisecond))
	})
}

func (s *Service) warmVoice(r *resident) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("tts: internal error: %v\n%s", p, debug.Stack())
		}
	}()
	t := turn{batch: true}
	place := use{places: r.info.Cores}
	one := make(chan struct{}, 1) // at a time
	gate := func(ctx context.Context, f func() error) error {
		select {
		case one <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		defer func() { <-one }()
		if err := s.idle(ctx); err != nil {
			return err
		}
		return s.gate.run(ctx, &t, place, func() error { return s.onCard(ctx, r, 1, f) })
	}
	for _, n := range warmLengths {
		for _, stream := range []bool{true, false} {
			u := voice.Utterance{Units: r.ofLength(min(n, r.info.MaxUnits)), Speed: 1, Stream: stream}
			if _, err := r.voice.Speak(s.ctx, u, gate, func([]float32) error { return nil }); err != nil {
				return err
			}
		}
	}
	return nil
}

// politeness is how often a language model is looked at that computes.
const politeness = 20 * time.Millisecond

// idle waits until no language model computes.
func (s *Service) idle(ctx context.Context) error {
	if s.cfg.Crowded == nil {
		return ctx.Err()
	}
	for s.cfg.Crowded() {
		select {
		case <-time.After(politeness):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// ofLength is something to say of about n phonemes or letters.
func (r *resident) ofLength(n int) string {
	phrase := strings.TrimRight(r.phrase(len(warmUp)-1), ".")
	var b strings.Builder
	for left := n; ; {
		k := utf8.RuneCountInString(phrase) + 1
		if left < k && b.Len() > 0 {
			break
		}
		b.WriteString(phrase + " ")
		left -= k
	}
	return strings.TrimSpace(b.String()) + "."
}
