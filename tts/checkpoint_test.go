package tts

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// From every checkpoint on, the same samples and captions come as in one go.
func TestGoingOnFromACheckpoint(t *testing.T) {
	s := fakeService(t, &fakeVoice{timed: true}, Config{CacheBytes: 1 << 20})
	for name, r := range map[string]Request{
		"plain": {Text: "One two three. Four, five! [pause:300ms] ... Six?\n\n# Seven\n- eight\n- nine\n\n" + strings.Repeat("many words follow here and there, ", 30) + "\n\n…"},
		"SSML":  {Text: "<speak>One <break time='200ms'/> two. Three!<prosody rate='fast'>four five</prosody><p>six</p><sub alias='seven'>7</sub></speak>", SSML: true},
	} {
		r.Format, r.Whole, r.Checkpoints = FormatPCM, true, true
		whole, p := say(t, s, r)
		points := p.Checkpoints()
		if len(points) < 4 || !points[len(points)-1].Final || points[len(points)-1].Samples*2 != int64(len(whole)) {
			t.Fatalf("%s: checkpoints %+v of %d bytes", name, points, len(whole))
		}
		var words []Span
		for _, c := range points {
			words = append(words, c.Captions.Words...)
		}
		key, err := s.Key(r)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range points[:len(points)-1] {
			more := r
			more.From = c.Pieces
			rest, p := say(t, s, more)
			if !bytes.Equal(rest, whole[2*c.Samples:]) {
				t.Errorf("%s: from checkpoint %d of %d on there are %d bytes, want the last %d of %d", name, i, len(points), len(rest), len(whole)-2*int(c.Samples), len(whole))
			}
			var later []string
			for _, c := range p.Checkpoints() {
				later = append(later, texts(c.Captions.Words)...)
			}
			if all := texts(words); !slices.Equal(later, all[len(all)-len(later):]) {
				t.Errorf("%s: from checkpoint %d on the words are %q of %q", name, i, later, all)
			}
			if k, err := s.Key(more); err != nil || k != key {
				t.Errorf("%s: the key of the rest is %s (%v), want %s", name, k, err, key)
			}
			if p.Spoken() < c.Pieces {
				t.Errorf("%s: %d bytes count as spoken behind %d pieces", name, p.Spoken(), c.Pieces)
			}
		}
		r.Seed = 1
		if k, err := s.Key(r); err != nil || k == key {
			t.Errorf("%s: another seed has the same key (%v)", name, err)
		}
	}
	f := func(r Request) {
		t.Helper()
		var fe *FieldError
		if _, err := s.Say(t.Context(), r); !errors.As(err, &fe) || fe.Field != "checkpoints" {
			t.Errorf("Say(%+v) = %v, want an error about checkpoints", r, err)
		}
	}
	f(Request{Text: "x", Format: FormatMP3, Whole: true, Checkpoints: true})
	f(Request{Text: "x", Format: FormatPCM, Checkpoints: true})
	f(Request{Text: "x", Format: FormatPCM, Whole: true, From: 2})
	f(Request{Text: "x", Format: FormatPCM, Whole: true, Checkpoints: true, From: -1})
}

// What Transcode makes of samples is what Say makes in that format at once.
func TestTranscode(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	text := strings.Repeat("several words and more of them. ", 12)
	pcm, _ := say(t, s, Request{Text: text, Format: FormatPCM, Whole: true})
	for _, format := range []string{FormatWAV, FormatFLAC, FormatMP3, FormatPCM} {
		want, _ := say(t, s, Request{Text: text, Format: format, Whole: true})
		var got bytes.Buffer
		if err := Transcode(t.Context(), &got, bytes.NewReader(pcm), int64(len(pcm)/2), fakeRate, format, 0); err != nil {
			t.Fatalf("Transcode to %s: %v", format, err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %d bytes, want the same %d", format, got.Len(), len(want))
		}
	}
	var got bytes.Buffer
	if err := Transcode(t.Context(), &got, bytes.NewReader(pcm), int64(len(pcm)/2), fakeRate, FormatULaw, 0); err != nil || got.Len() != len(pcm)/4 {
		t.Errorf("Transcode to ulaw: %d bytes of %d (%v), want a byte for every second sample", got.Len(), len(pcm), err)
	}
	if err := Transcode(t.Context(), &got, bytes.NewReader(pcm), int64(len(pcm)), fakeRate, FormatWAV, 0); err == nil {
		t.Error("Transcode takes fewer samples than were promised")
	}
	for _, bad := range []string{"aac", ""} {
		if err := Transcode(t.Context(), &got, bytes.NewReader(pcm), 1, fakeRate, bad, 0); err == nil || !strings.Contains(fmt.Sprint(err), "mp3") {
			t.Errorf("Transcode to %q: %v", bad, err)
		}
	}
}
