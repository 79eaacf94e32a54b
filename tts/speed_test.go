package tts

import (
	"encoding/binary"
	"math"
	"testing"
)

// A voice that knows one speed is as long at every speed as one that knows all,
// to 15 ms, and its words are where they are heard.
func TestSpeedOfAVoiceThatHasNone(t *testing.T) {
	all, one := fakeService(t, &fakeVoice{timed: true}, Config{}), fakeService(t, &fakeVoice{timed: true, fixed: true}, Config{})
	for _, speed := range []float64{0.25, 0.5, 0.9, 1, 1.1, 2, 4} {
		r := Request{Text: "several words are spoken here", Speed: speed, Format: FormatPCM, Whole: true, Timestamps: true}
		_, a := say(t, all, r)
		_, b := say(t, one, r)
		want, got := a.Timings().Audio.Seconds(), b.Timings().Audio.Seconds()
		if math.Abs(want-got) > 0.015 {
			t.Errorf("speed %v: %.3f s, want %.3f s", speed, got, want)
		}
		words := a.Captions().Words
		for i, w := range b.Captions().Words {
			if d := (w.Start - words[i].Start).Seconds(); math.Abs(d) > 0.015 {
				t.Errorf("speed %v: %q begins at %v, want %v", speed, w.Text, w.Start, words[i].Start)
			}
		}
		if len(words) != 5 || len(b.Captions().Words) != 5 {
			t.Errorf("speed %v: %d and %d words, want 5", speed, len(words), len(b.Captions().Words))
		}
	}
	// A streamed text, in pieces, is stretched the same way.
	n, err := one.Narrate(t.Context(), Request{Speed: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Write("several words are spoken here"); err != nil {
		t.Fatal(err)
	}
	if err := n.Flush(); err != nil {
		t.Fatal(err)
	}
	samples := 0
	for {
		c, err := n.Next(t.Context())
		if err != nil {
			break
		}
		samples += len(c.PCM)
	}
	_, p := say(t, all, Request{Text: "several words are spoken here", Speed: 2, Format: FormatPCM})
	if got, want := float64(samples)/fakeRate, p.Timings().Audio.Seconds(); math.Abs(got-want) > 0.05+0.3 {
		t.Errorf("narrated in %.3f s, said in %.3f s", got, want)
	}
}

// Speakers of one voice come out equally loud, and a speaker is measured once.
func TestSpeakersAreEquallyLoud(t *testing.T) {
	v := &fakeVoice{soft: 0.4}
	s := fakeService(t, v, Config{})
	loud := func(speaker string) float64 {
		t.Helper()
		b, _ := say(t, s, Request{Text: "several words are spoken here", Speaker: speaker, Format: FormatPCM})
		sum := 0.0
		for i := 0; i+1 < len(b); i += 2 {
			x := float64(int16(binary.LittleEndian.Uint16(b[i:])))
			sum += x * x
		}
		return math.Sqrt(sum / float64(len(b)/2))
	}
	ann, bob := loud("ann"), loud("bob")
	if d := 20 * math.Log10(bob/ann); math.Abs(d) > 1 {
		t.Errorf("bob, who is 8 dB softer, comes out %.1f dB from ann", d)
	}
	n := v.speeches.Load()
	if again := loud("bob"); again != bob || v.speeches.Load() != n+1 {
		t.Errorf("bob again at %v, before at %v, in %d inferences", again, bob, v.speeches.Load()-n)
	}
}
