package tts

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSayMarkup(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	length := func(r Request) time.Duration {
		t.Helper()
		r.Format = FormatPCM
		_, p := say(t, s, r)
		return p.Timings().Audio
	}
	f := func(name string, got, want time.Duration) {
		t.Helper()
		if (got - want).Abs() > 15*time.Millisecond {
			t.Errorf("%s takes %v, want %v", name, got, want)
		}
	}
	one, two := length(Request{Text: "one"}), length(Request{Text: "two"})
	f("a pause", length(Request{Text: "one [pause:2s] two"}), one+two+2*time.Second-10*time.Millisecond)
	f("a pause with natural ones off", length(Request{Text: "one [pause:2s] two", Pause: PauseNone}), one+two+2*time.Second+30*time.Millisecond)
	f("a break", length(Request{Text: "<speak>one<break time='3s'/>two</speak>", SSML: true}), one+two+3*time.Second-10*time.Millisecond)
	f("half the rate", length(Request{Text: "<speak><prosody rate='50%'>abcdefghij</prosody></speak>", SSML: true}), 2*length(Request{Text: "abcdefghij"}))
	f("a lexicon", length(Request{Text: "x", Lexicon: map[string]string{"x": "abcdefghij"}}), length(Request{Text: "abcdefghij"}))
	f("phonemes", length(Request{Text: "[x](/əəəəəəəəəə/)"}), length(Request{Text: "abcdefghij"}))
	for _, r := range []Request{{Text: "[pause:1s]"}, {Text: "<speak></speak>", SSML: true}, {Text: "<speak>oops", SSML: true}, {Text: "x", Lexicon: map[string]string{"": ""}}} {
		var fe *FieldError
		if _, err := s.Say(context.Background(), r); !errors.As(err, &fe) {
			t.Errorf("Say(%+v) = %v, want a FieldError", r, err)
		}
	}
	if got := length(Request{Text: "<speak>a</speak>"}); got < length(Request{Text: strings.Repeat("a", 2)}) {
		t.Errorf("without the SSML flag the text was not read as it stands: %v", got)
	}
}
