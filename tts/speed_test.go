package tts

import (
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
