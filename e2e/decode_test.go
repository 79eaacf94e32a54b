package e2e

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Every format must decode to the same length of audio, one channel, and a
// sensible level.
func TestFormatsDecode(t *testing.T) {
	probe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed")
	}
	dir := t.TempDir()
	field := func(path, entry string) string {
		t.Helper()
		out, err := exec.Command(probe, "-v", "error", "-show_entries", entry, "-of", "default=nw=1:nk=1", path).CombinedOutput()
		if err != nil {
			t.Fatalf("ffprobe %s of %s: %v %s", entry, filepath.Base(path), err, out)
		}
		return strings.TrimSpace(strings.Split(string(out), "\n")[0])
	}
	const text = "Hello from one process. This is a second sentence."
	length := 0.0
	f := func(format string, rate, shown int, raw ...string) {
		t.Helper()
		for _, stream := range []bool{true, false} {
			name := fmt.Sprintf("%s at %d, stream %v", format, rate, stream)
			status, audio, h := shared.post(t, "/tts", fmt.Sprintf(`{"text":%q,"format":%q,"sample_rate":%d,"stream":%v}`, text, format, rate, stream))
			path := filepath.Join(dir, fmt.Sprintf("%d-%v.%s", rate, stream, format))
			if err := os.WriteFile(path, []byte(audio), 0o644); err != nil || status != 200 {
				t.Fatalf("%s: %d %.100s %v", name, status, audio, err)
			}
			shown := shown
			if format == "mp3" && stream && shown < 16000 {
				shown *= 2 // its frames would be too long to end where the speech does
			}
			if got := h.Get("X-Sample-Rate"); got != strconv.Itoa(shown) {
				t.Errorf("%s: X-Sample-Rate %s, want %d", name, got, shown)
			}
			decoded := path + ".decoded.wav"
			args := append([]string{"-v", "error", "-y"}, raw...)
			if out, err := exec.Command("ffmpeg", append(args, "-i", path, decoded)...).CombinedOutput(); err != nil || len(out) > 0 && !(format == "wav" && stream) {
				t.Fatalf("%s: ffmpeg: %v %s", name, err, out) // a WAV header with an open length is remarked upon
			}
			d, err := strconv.ParseFloat(field(decoded, "format=duration"), 64)
			if err != nil {
				t.Fatal(err)
			}
			if length == 0 {
				length = d
			}
			heard := shown
			if format == "opus" {
				heard = 48000 // its decoders' own
			}
			if c, r := field(decoded, "stream=channels"), field(decoded, "stream=sample_rate"); math.Abs(d-length) > 0.02 || d < 2 || d > 6 || c != "1" || r != strconv.Itoa(heard) {
				t.Errorf("%s decodes to %g s, %s channels, %s Hz; want %g s, one channel, %d Hz", name, d, c, r, length, heard)
			}
		}
	}
	f("wav", 0, 22050)
	f("mp3", 0, 22050)
	f("flac", 0, 22050)
	f("opus", 0, 24000)
	f("pcm", 0, 22050, "-f", "s16le", "-ar", "22050", "-ac", "1")
	f("ulaw", 0, 8000, "-f", "mulaw", "-ar", "8000", "-ac", "1")
	f("wav", 16000, 16000)
	f("wav", 8000, 8000)
	f("flac", 44100, 44100)
	f("mp3", 8000, 8000)
	f("mp3", 11025, 11025)
	f("mp3", 12000, 12000)
	f("mp3", 16000, 16000)
	f("mp3", 48000, 48000)
	f("opus", 48000, 48000)
	f("pcm", 24000, 24000, "-f", "s16le", "-ar", "24000", "-ac", "1")
}
