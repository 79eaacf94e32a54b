package server

import (
	"context"
	"errors"
	"strings"
	"testing"

	"repartee/dialogue"
	"repartee/tts"
)

// listener is a speaker that takes a request down and has no voice to answer with.
type listener struct{ heard []tts.Request }

func (l *listener) Voices() []tts.Voice { return nil }
func (l *listener) Default() string     { return "" }
func (l *listener) Say(_ context.Context, r tts.Request) (*tts.Speech, error) {
	l.heard = append(l.heard, r)
	return nil, &tts.FieldError{Field: "voice", Msg: "none is loaded"}
}
func (l *listener) Narrate(context.Context, tts.Request) (*tts.Narrator, error) {
	return nil, errors.ErrUnsupported
}

func TestSpeechRequestsBothWays(t *testing.T) {
	w := start(t, Config{}, nil)
	l := &listener{}
	w.SetReady(Backends{Dialogue: dialogue.New(w.set), Speaker: l})
	f := func(method, path, body string, want tts.Request) {
		t.Helper()
		l.heard = nil
		status, text, _ := w.do(t, method, path, body)
		if status != 400 || !strings.Contains(text, `"param":"voice"`) {
			t.Errorf("%s %s %s = %d %s, want the speaker's 400 about voice", method, path, body, status, text)
		}
		if len(l.heard) != 1 {
			t.Fatalf("%s %s %s reached the speaker %d times, want once", method, path, body, len(l.heard))
		}
		got := l.heard[0]
		if got.Text != want.Text || got.Voice != want.Voice || got.Speaker != want.Speaker || got.Format != want.Format || got.Speed != want.Speed || got.Pause != want.Pause ||
			got.SampleRate != want.SampleRate || got.Seed != want.Seed || got.SSML != want.SSML || got.Whole != want.Whole || got.Batch != want.Batch || got.Timestamps != want.Timestamps {
			t.Errorf("%s %s %s asked for %+v, want %+v", method, path, body, got, want)
		}
	}
	all := tts.Request{Text: "Hi there", Voice: "v", Speaker: "s", Format: "wav", Speed: 1.5, Pause: "none", SampleRate: 8000, Seed: 7, SSML: true, Whole: true, Batch: true}
	f("POST", "/tts", `{"text":"Hi there","voice":"v","speaker":"s","format":"wav","speed":1.5,"pause":"none","sample_rate":8000,"seed":7,"ssml":true,"stream":false,"priority":"batch"}`, all)
	f("GET", "/tts?text=Hi+there&voice=v&speaker=s&format=wav&speed=1.5&pause=none&sample_rate=8000&seed=7&ssml=true&stream=false&priority=batch", "", all)
	f("POST", "/tts", `{"text":"x"}`, tts.Request{Text: "x"})
	f("POST", "/tts", `{"text":"x","timestamps":true}`, tts.Request{Text: "x", Timestamps: true, Whole: true})
	f("GET", "/tts?text=x&timestamps=1", "", tts.Request{Text: "x", Timestamps: true, Whole: true})
	f("GET", "/tts?text=x&stream=1&priority=interactive", "", tts.Request{Text: "x"})

	bad := func(method, path, body, param string) {
		t.Helper()
		l.heard = nil
		if status, text, _ := w.do(t, method, path, body); status != 400 || !strings.Contains(text, `"param":"`+param+`"`) || len(l.heard) > 0 {
			t.Errorf("%s %s %s = %d %s, want 400 about %s before the speaker is asked", method, path, body, status, text, param)
		}
	}
	bad("POST", "/tts", `{"text":"x","priority":"urgent"}`, "priority")
	bad("POST", "/tts", `{"text":"x","speed":0}`, "speed")
	bad("GET", "/tts?text=x&priority=urgent", "", "priority")
	bad("GET", "/tts?text=x&sample_rate=fast", "", "sample_rate")
	bad("GET", "/tts?text=x&ssml=perhaps", "", "ssml")
	bad("GET", "/tts?text=x&stream=perhaps", "", "stream")
	bad("GET", "/tts?text=x&speed=fast", "", "speed")
	bad("GET", "/tts?text=x&seed=-1", "", "seed")
}
