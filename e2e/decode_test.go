package e2e

import (
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
	length := 0.0
	for _, f := range []string{"wav", "mp3", "flac", "opus"} {
		status, audio, _ := shared.post(t, "/tts", `{"text":"Hello from one process. This is a second sentence.","format":"`+f+`"}`)
		path := filepath.Join(dir, "a."+f)
		if err := os.WriteFile(path, []byte(audio), 0o644); err != nil || status != 200 {
			t.Fatalf("%s: %d %.100s %v", f, status, audio, err)
		}
		raw := filepath.Join(dir, f+".decoded.wav")
		if out, err := exec.Command("ffmpeg", "-v", "error", "-y", "-i", path, raw).CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("ffmpeg decoding %s: %v %s", f, err, out)
		}
		d, err := strconv.ParseFloat(field(raw, "format=duration"), 64)
		if err != nil {
			t.Fatal(err)
		}
		if length == 0 {
			length = d
		}
		if channels := field(path, "stream=channels"); math.Abs(d-length) > 0.02 || d < 2 || d > 6 || channels != "1" {
			t.Fatalf("%s decodes to %g s, %s channels; want %g s as WAV, one channel", f, d, channels, length)
		}
	}
}
