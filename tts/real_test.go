package tts

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"repartee/tts/internal/voicetest"
)

// realService serves the default voice with the real libraries.
func realService(t testing.TB, cache int64) *Service {
	t.Helper()
	program, library, data := voicetest.Espeak(t)
	s, err := New(Config{
		Voices:  []VoiceSpec{{Name: "joe", Path: voicetest.Voice(t)}},
		Runtime: voicetest.Runtime(t), Phonemizer: program, EspeakLibrary: library, EspeakData: data,
		Threads: 2, CacheBytes: cache,
	})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// readAll reads a speech to its end.
func readAll(t testing.TB, p *Speech) []byte {
	t.Helper()
	defer p.Close()
	var b []byte
	for {
		c, err := p.Next(context.Background())
		if err == io.EOF {
			return b
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		b = append(b, c...)
	}
}

func say(t testing.TB, s *Service, r Request) ([]byte, *Speech) {
	t.Helper()
	p, err := s.Say(context.Background(), r)
	if err != nil {
		t.Fatalf("Say(%+v): %v", r, err)
	}
	return readAll(t, p), p
}

const mediumText = "The meeting with Dr. Smith is at 10:30 on March 3rd, and it costs $3.50 to park. Please bring the report, and don't be late!"

func TestRealSpeechIsRepeatable(t *testing.T) {
	s := realService(t, 0)
	for _, f := range []string{FormatMP3, FormatWAV, FormatPCM, FormatOpus, FormatFLAC, FormatULaw} {
		r := Request{Text: mediumText, Format: f}
		a, p := say(t, s, r)
		b, _ := say(t, s, r)
		if !bytes.Equal(a, b) {
			t.Errorf("format %s: the same request gave other bytes (%d and %d)", f, len(a), len(b))
		}
		tm := p.Timings()
		t.Logf("%s: %d bytes, %v of audio, first %v, total %v, text %v, inference %v, encode %v, clauses %d", f, len(a), tm.Audio.Round(time.Millisecond),
			tm.First.Round(time.Millisecond), tm.Total.Round(time.Millisecond), tm.Text, tm.Inference.Round(time.Millisecond), tm.Encode, tm.Clauses)
		if dir := os.Getenv("REPARTEE_TEST_AUDIO"); dir != "" {
			_ = os.WriteFile(filepath.Join(dir, "medium."+f), a, 0o644)
		}
	}
}

// The words of the real voice lie where its sound does.
func TestRealCaptions(t *testing.T) {
	s := realService(t, 0)
	pcm, p := say(t, s, Request{Text: "Hello from one process. It was written in 1996, by two people.", Format: FormatPCM, Whole: true, Timestamps: true})
	c, length := p.Captions(), p.Timings().Audio
	if got, want := strings.Join(texts(c.Words), " "), "Hello from one process. It was written in 1996, by two people."; got != want {
		t.Errorf("words = %q, want %q", got, want)
	}
	inside(t, "word", c.Words, length)
	inside(t, "phoneme", c.Phonemes, length)
	peak := func(from, to time.Duration) int {
		rate, most := p.Info().SampleRate, 0
		for i := 2 * int(from.Seconds()*float64(rate)); i+1 < min(len(pcm), 2*int(to.Seconds()*float64(rate))); i += 2 {
			most = max(most, int(int16(uint16(pcm[i])|uint16(pcm[i+1])<<8)))
		}
		return most
	}
	for i, w := range c.Words {
		if peak(w.Start, w.End) < 1000 {
			t.Errorf("where %q is to be heard, from %v to %v, it is silent", w.Text, w.Start, w.End)
		}
		if i == 4 { // behind the first sentence
			if gap := w.Start - c.Words[3].End; gap < 150*time.Millisecond || peak(c.Words[3].End+60*time.Millisecond, w.Start-60*time.Millisecond) > 3000 {
				t.Errorf("between the sentences there are %v with a peak of %d, want a pause", gap, peak(c.Words[3].End, w.Start))
			}
		}
	}
}
