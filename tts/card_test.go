package tts

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

// oneCard lets one in at a time and notes what it was asked.
type oneCard struct {
	mu     sync.Mutex
	inside int
	most   int
	due    []time.Duration
	refuse error
}

func (c *oneCard) Enter(_ context.Context, deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return c.refuse
	}
	c.inside++
	c.most = max(c.most, c.inside)
	c.due = append(c.due, time.Until(deadline))
	return nil
}

func (c *oneCard) Leave() {
	c.mu.Lock()
	c.inside--
	c.mu.Unlock()
}

func TestSpeechOnAGPUTakesTurns(t *testing.T) {
	f := func(device string, want bool) {
		t.Helper()
		card := &oneCard{}
		s := fakeService(t, &fakeVoice{device: device}, Config{Card: card})
		say(t, s, Request{Text: "Hello there. And more of it comes here.", Format: FormatPCM})
		if got := len(card.due) > 0; got != want || card.inside != 0 {
			t.Fatalf("on %s: %d turns, %d not given back; want turns %v", device, len(card.due), card.inside, want)
		}
		if want && (card.due[0] > firstSoundBy || card.due[len(card.due)-1] <= firstSoundBy) {
			t.Errorf("turns are due in %v, want the first sound soon and the last later", card.due)
		}
	}
	f(DeviceCPU, false)
	f(DeviceCUDA, true)
}

func TestSpeechWithoutItsTurnFails(t *testing.T) {
	gone := errors.New("the card is gone")
	card := &oneCard{refuse: gone}
	s := fakeService(t, &fakeVoice{device: DeviceCUDA}, Config{Card: card})
	p, err := s.Say(context.Background(), Request{Text: "Hello.", Format: FormatPCM})
	if err == nil {
		_, err = p.Next(context.Background())
	}
	if !errors.Is(err, gone) {
		t.Errorf("speech ended with %v, want the card's error", err)
	}
}
