package tts

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
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
