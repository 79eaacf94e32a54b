package tts

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

// Warming speaks in every length with every voice, waits while a language model
// computes, and takes one place only.
func TestWarm(t *testing.T) {
	var crowded atomic.Bool
	var asked atomic.Int32
	crowded.Store(true)
	v := &fakeVoice{device: DeviceCUDA}
	s := fakeService(t, v, Config{Threads: 4, Crowded: func() bool { asked.Add(1); return crowded.Load() }})
	v.most.Store(0)
	before := v.speeches.Load()
	s.Warm()
	until := time.Now().Add(10 * time.Second)
	for asked.Load() < 3 && time.Now().Before(until) {
		time.Sleep(time.Millisecond)
	}
	if n := v.most.Load(); asked.Load() < 3 || n != 0 {
		t.Errorf("%d inferences ran beside a language model (asked %d times)", n, asked.Load())
	}
	crowded.Store(false)
	want := before + int32(2*len(warmLengths)*2)
	for v.speeches.Load() < want && time.Now().Before(until) {
		time.Sleep(time.Millisecond)
	}
	say(t, s, Request{Text: "hello", Format: FormatPCM})
	s.Close() // ends it, where it has not ended
	if n := v.most.Load(); v.speeches.Load() < want || n > 2 {
		t.Errorf("%d utterances, %d inferences at once; want at least %d, at most 2", v.speeches.Load(), n, want)
	}
	s.Warm() // of a closed service does nothing
}

// A voice on the processor has nothing to gain.
func TestWarmLeavesProcessorsAlone(t *testing.T) {
	v := &fakeVoice{}
	s := fakeService(t, v, Config{})
	before := v.speeches.Load()
	s.Warm()
	s.Close()
	if n := v.speeches.Load() - before; n != 0 {
		t.Errorf("%d utterances were spoken for nobody", n)
	}
}

// Close ends it at once.
func TestWarmEnds(t *testing.T) {
	v := &fakeVoice{device: DeviceCUDA}
	s := fakeService(t, v, Config{Threads: 1, Crowded: func() bool { return true }})
	s.Warm()
	s.Close()
}

func TestOfLength(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	for _, n := range []int{1, 60, 120, 250, 400} {
		u := s.voices[0].ofLength(n)
		got := utf8.RuneCountInString(u)
		if shortest := utf8.RuneCountInString(warmUp[1]); got > max(n, shortest) || got < n-shortest || !strings.HasSuffix(u, ".") {
			t.Errorf("ofLength(%d) has %d runes: %q", n, got, u)
		}
	}
}
