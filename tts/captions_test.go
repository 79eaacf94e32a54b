package tts

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestSpread(t *testing.T) {
	read := func(n int) (out []Span) {
		for i := range n {
			out = append(out, Span{fmt.Sprint(i), time.Duration(i) * time.Second, time.Duration(i+1) * time.Second})
		}
		return out
	}
	f := func(written []string, n int, want string) {
		t.Helper()
		got := ""
		for _, s := range spread(written, read(n)) {
			got += fmt.Sprintf("%s %.2f-%.2f ", s.Text, s.Start.Seconds(), s.End.Seconds())
		}
		if got != want {
			t.Errorf("spread(%q, %d read words) = %q, want %q", written, n, got, want)
		}
	}
	f([]string{"one", "two"}, 2, "one 0.00-1.00 two 1.00-2.00 ")
	f([]string{"one", "-", "two"}, 2, "one 0.00-1.00 two 1.00-2.00 ")
	f([]string{"1996"}, 4, "1996 0.00-4.00 ")
	f([]string{"of", "the", "sea", "now"}, 2, "of 0.00-0.50 the 0.50-1.00 sea 1.00-1.50 now 1.50-2.00 ")
	f([]string{"a", "b"}, 3, "a 0.00-1.50 b 1.50-3.00 ")
	f([]string{"a", "b", "c"}, 2, "a 0.00-0.67 b 0.67-1.33 c 1.33-2.00 ")
	f(nil, 2, "")
	f([]string{"a"}, 0, "")
}

// inside checks that spans follow each other and end with the audio at the latest.
func inside(t *testing.T, what string, spans []Span, length time.Duration) {
	t.Helper()
	last := time.Duration(0)
	for _, s := range spans {
		if s.Start < last-time.Millisecond || s.End < s.Start || s.End > length+time.Millisecond {
			t.Errorf("%s %q is heard from %v to %v, behind %v in %v of audio", what, s.Text, s.Start, s.End, last, length)
		}
		last = s.End
	}
}

func texts(spans []Span) (out []string) {
	for _, s := range spans {
		out = append(out, s.Text)
	}
	return out
}

func TestCaptionsFollowTheText(t *testing.T) {
	s := fakeService(t, &fakeVoice{timed: true}, Config{CacheBytes: 1 << 20})
	r := Request{Text: "one two three, four five. [pause:700ms] six seven eight! nine", Format: FormatPCM, Whole: true, Timestamps: true}
	for range 2 { // the second out of the cache
		_, p := say(t, s, r)
		c, length := p.Captions(), p.Timings().Audio
		if got, want := texts(c.Words), []string{"one", "two", "three,", "four", "five.", "six", "seven", "eight!", "nine"}; !slices.Equal(got, want) {
			t.Errorf("words = %q, want %q", got, want)
		}
		if len(c.Clauses) < 2 || len(c.Phonemes) < 9 {
			t.Errorf("%d clauses and %d phonemes, want at least 2 and 9", len(c.Clauses), len(c.Phonemes))
		}
		inside(t, "word", c.Words, length)
		inside(t, "phoneme", c.Phonemes, length)
		inside(t, "clause", c.Clauses, length)
		if gap := c.Words[5].Start - c.Words[4].End; gap < 650*time.Millisecond || gap > 800*time.Millisecond {
			t.Errorf("the pause of 700 ms between two words is %v long", gap)
		}
	}
}

func TestCaptionsOfAVoiceThatHasNone(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	_, err := s.Say(t.Context(), Request{Text: "x", Timestamps: true})
	var e *FieldError
	if !errors.As(err, &e) || e.Field != "timestamps" {
		t.Errorf("Say with timestamps: %v, want an error about timestamps", err)
	}
}
