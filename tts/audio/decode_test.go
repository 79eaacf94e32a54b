package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// decode gives what ffmpeg hears in b, at its own rate, and what it says of it.
func decode(t *testing.T, ffmpeg string, b []byte, rate int, raw ...string) (samples []float32, complaint string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sound") // a pipe would hide the length in a header
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append(append([]string{"-v", "error"}, raw...), "-i", path, "-f", "s16le", "-ar", strconv.Itoa(rate), "-")
	cmd := exec.Command(ffmpeg, args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v: %s", err, said.String())
	}
	samples = make([]float32, len(out)/2)
	for i := range samples {
		samples[i] = float32(int16(binary.LittleEndian.Uint16(out[2*i:]))) / 32768
	}
	return samples, said.String()
}

// stream reads rate and channels as a player would.
func stream(t *testing.T, ffprobe string, b []byte) string {
	t.Helper()
	cmd := exec.Command(ffprobe, "-v", "error", "-show_entries", "stream=sample_rate,channels", "-of", "csv=p=0", "-")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffprobe: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// Every format decodes to the right rate, channels, length and tone, as a
// stream and as a whole.
func TestFormatsDecode(t *testing.T) {
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("no ffmpeg in the path")
	}
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("no ffprobe in the path")
	}
	f := func(format string, rate int, raw ...string) {
		for _, whole := range []bool{false, true} {
			if format, err := Lookup(format); err != nil || !whole && format.Streamed(rate) != rate {
				continue
			}
			for _, n := range []int{rate / 5, 2*rate + 7, 2*rate + 333} {
				name := format + strconv.Itoa(rate) + map[bool]string{false: "/stream/", true: "/whole/"}[whole] + strconv.Itoa(n)
				t.Run(name, func(t *testing.T) {
					in := Int16(nil, tone(rate, n, 440, 0.5))
					o := Options{SampleRate: rate, Whole: whole}
					if whole {
						o.Samples = int64(n)
					}
					b := encodeWith(t, format, o, in, 4000)
					s, complaint := decode(t, ffmpeg, b, rate, raw...)
					if complaint != "" && (format != "wav" || whole) { // an open length in a WAV header is remarked upon
						t.Errorf("ffmpeg says: %s", complaint)
					}
					if len(raw) == 0 {
						shown := rate
						if format == "opus" {
							shown = 48000 // whatever went in
						}
						if got, want := stream(t, ffprobe, b), strconv.Itoa(shown)+",1"; got != want {
							t.Errorf("ffprobe shows rate and channels %q, want %q", got, want)
						}
					}
					if d := float64(len(s)-n) / float64(rate); math.Abs(d) > 0.02 {
						t.Errorf("%d samples decode to %d: %+.1f ms", n, len(s), 1000*d)
					}
					if n < rate {
						return
					}
					if p := power(s[rate/2:rate*2], rate, 440); math.Abs(p-0.5) > 0.03 {
						t.Errorf("the tone comes back with amplitude %.3f, want 0.5", p)
					}
				})
			}
		}
	}
	for _, rate := range []int{8000, 12000, 16000, 22050, 24000, 32000, 44100, 48000} {
		f("mp3", rate)
	}
	f("wav", 22050)
	f("flac", 22050)
	f("opus", 16000)
	f("opus", 24000)
	f("opus", 48000)
	f("pcm", 22050, "-f", "s16le", "-ar", "22050", "-ac", "1")
	f("ulaw", 8000, "-f", "mulaw", "-ar", "8000", "-ac", "1")
}

// A stream of mp3 has a rate at which it can be of the right length; nothing else
// is changed.
func TestStreamed(t *testing.T) {
	f := func(format string, rate, want int) {
		t.Helper()
		x, err := Lookup(format)
		if err != nil {
			t.Fatal(err)
		}
		got := x.Streamed(rate)
		if rounded, err := x.Rate(got, rate); got != want || err != nil || rounded != got {
			t.Errorf("%s streamed at %d has %d Hz (%v), want %d", format, rate, got, err, want)
		}
		if _, err := x.NewEncoder(Options{SampleRate: rate}); !errors.Is(err, ErrNoEncoder) && (err == nil) != (rate == want) {
			t.Errorf("NewEncoder of a stream of %s at %d = %v", format, rate, err)
		}
	}
	f("mp3", 8000, 16000)
	f("mp3", 11025, 22050)
	f("mp3", 12000, 24000)
	f("mp3", 16000, 16000)
	f("mp3", 44100, 44100)
	f("wav", 8000, 8000)
	f("opus", 8000, 8000)
}

func TestMP3FrameSize(t *testing.T) {
	f := func(header string, want int) {
		t.Helper()
		if got := mp3FrameSize([]byte(header)); got != want {
			t.Errorf("mp3FrameSize(% x) = %d, want %d", header, got, want)
		}
	}
	f("\xff\xfb\x90\xc0", 417) // MPEG 1, 128 kbit/s, 44100 Hz
	f("\xff\xfb\x92\xc0", 418) // with a byte of padding
	f("\xff\xf3\x80\xc0", 208) // MPEG 2, 64 kbit/s, 22050 Hz
	f("\xff\xe3\x48\xc0", 288) // MPEG 2.5, 32 kbit/s, 8000 Hz
	f("\xff\xfb\xf0\xc0", 0)   // no such bit rate
	f("\xff\xfb\x9c\xc0", 0)   // no such sample rate
	f("\xff\xfd\x90\xc0", 0)   // layer II
	f("RIFF", 0)
}
