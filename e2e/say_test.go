package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A long text whose command is killed goes on where it was, and becomes the same
// file, byte for byte, as one that was never interrupted.
func TestSayGoesOn(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	for i := 0; text.Len() < 4200; i++ {
		fmt.Fprintf(&text, "Sentence number %d of a long text, which takes a while to be spoken.\n\n", i)
	}
	say := func(name string) *exec.Cmd {
		cmd := exec.Command("../bin/repartee", "say", "-", "-o", filepath.Join(dir, name+".mp3"), "--srt", filepath.Join(dir, name+".srt"), "--speed", "2")
		cmd.Stdin = strings.NewReader(text.String())
		return cmd
	}
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	killed := say("killed")
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "a line in the journal", func() bool {
		b, err := os.ReadFile(filepath.Join(dir, "killed.mp3.part.json"))
		return err == nil && bytes.Count(b, []byte("\n")) > 1
	})
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // "signal: killed"
	if _, err := os.Stat(filepath.Join(dir, "killed.mp3")); err == nil {
		t.Fatal("the file is there before the command has ended")
	}
	out, err := say("killed").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "going on behind") {
		t.Fatalf("the second command: %v\n%s\nwant it to go on", err, out)
	}
	if out, err := say("whole").CombinedOutput(); err != nil || strings.Contains(string(out), "going on") {
		t.Fatalf("a command of its own: %v\n%s", err, out)
	}
	for _, kind := range []string{".mp3", ".srt"} {
		if a, b := read("killed"+kind), read("whole"+kind); !bytes.Equal(a, b) || len(a) < 4000 {
			t.Errorf("the interrupted %s has %d bytes, want the same %d", kind, len(a), len(b))
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*part*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// Speech in the folder outlives the server, and a damaged file does not hurt.
func TestSpeechCacheOutlivesTheServer(t *testing.T) {
	dir := t.TempDir()
	flags := []string{"--model", "none", "--tts-cache-dir", dir}
	const body = `{"text":"This is kept on disk.","stream":false}`
	ask := func(s *server, want string) string {
		t.Helper()
		status, audio, h := s.post(t, "/tts", body)
		if status != 200 || h.Get("X-Cache") != want {
			t.Fatalf("POST /tts = %d, X-Cache %q, want 200, %q", status, h.Get("X-Cache"), want)
		}
		return audio
	}
	first := own(t, flags...)
	audio := ask(first, "miss")
	if err := first.stop(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	second := own(t, flags...)
	if got := ask(second, "hit"); got != audio {
		t.Fatalf("out of the folder come %d bytes, want the same %d", len(got), len(audio))
	}
	if err := second.stop(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.speech"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files %v (%v), want one", files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(files[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	third := own(t, flags...)
	if got := ask(third, "miss"); got != audio {
		t.Fatalf("beside a damaged file come %d bytes, want the same %d", len(got), len(audio))
	}
}
