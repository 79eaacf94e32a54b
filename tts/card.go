package tts

import (
	"context"
	"time"
)

// When an inference on a shared GPU should be done: somebody waits for the first
// sound, later ones are behind what is being heard.
const (
	firstSoundBy = 20 * time.Millisecond
	nextSoundBy  = 100 * time.Millisecond
)

// onCard runs an inference of a voice on CUDA in a turn of its own; before is
// how many lines of the speech were begun earlier. Voices on the CPU need no turn.
func (s *Service) onCard(ctx context.Context, r *resident, before int, f func() error) error {
	if s.cfg.Card == nil || r.info.Device != DeviceCUDA {
		return f()
	}
	by := firstSoundBy
	if before > 0 {
		by = nextSoundBy
	}
	if err := s.cfg.Card.Enter(ctx, time.Now().Add(by)); err != nil {
		return err
	}
	defer s.cfg.Card.Leave()
	return f()
}
