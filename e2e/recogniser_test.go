package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An independent recogniser understands our speech at least as well as that of
// the piper-tts package with the same voice. It takes minutes and installs the
// recogniser, hence only with REPARTEE_WER=1 ("make wer").
func TestWordErrorsAreNotMoreThanPipers(t *testing.T) {
	if os.Getenv("REPARTEE_WER") == "" {
		t.Skip("needs REPARTEE_WER=1")
	}
	python, ffmpeg := need(t, "python3"), need(t, "ffmpeg")
	lock, err := filepath.Abs("recogniser/requirements.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir, installed := home(t, lock)
	bin := filepath.Join(dir, "bin", "python")
	if !installed {
		install(t, dir, []string{python, "-m", "venv", dir}, []string{bin, "-m", "pip", "install", "-q", "--require-hashes", "-r", lock})
	}
	voice := defaultVoice(t)
	text, err := os.ReadFile("recogniser/sentences.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for line := range strings.Lines(string(text)) {
		w, _, _ := strings.Cut(line, "\t")
		written = append(written, w)
	}
	if len(written) < 50 {
		t.Fatalf("%d sentences, want at least 50", len(written))
	}
	out := t.TempDir()
	for i, w := range written {
		body, err := json.Marshal(map[string]any{"text": w, "format": "wav", "stream": false})
		if err != nil {
			t.Fatal(err)
		}
		status, audio, _ := shared.post(t, "/tts", string(body))
		if status != http.StatusOK {
			t.Fatalf("POST /tts %q = %d %s", w, status, audio)
		}
		if err := os.WriteFile(filepath.Join(out, fmt.Sprintf("%03d.repartee.wav", i)), []byte(audio), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "recogniser", bin, "recognise.py", "speak", voice, "sentences.tsv", out)
	files, err := filepath.Glob(filepath.Join(out, "*.wav"))
	if err != nil || len(files) != 2*len(written) {
		t.Fatalf("%d files, want %d (%v)", len(files), 2*len(written), err)
	}
	for _, f := range files {
		run(t, out, ffmpeg, "-v", "error", "-i", f, "-ar", "16000", "-ac", "1", "-f", "s16le", strings.TrimSuffix(f, ".wav")+".raw")
	}
	cmd := exec.CommandContext(t.Context(), bin, "recognise.py", "hear", "sentences.tsv", out)
	cmd.Dir, cmd.Stderr = "recogniser", os.Stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("recognise.py hear: %v", err)
	}
	var heard map[string]struct {
		Words, Errors int
		Heard         []string
	}
	if err := json.Unmarshal(b, &heard); err != nil {
		t.Fatalf("recognise.py hear printed %.200s: %v", b, err)
	}
	ours, theirs := heard["repartee"], heard["piper"]
	if ours.Words == 0 || ours.Words != theirs.Words || len(ours.Heard) != len(written) {
		t.Fatalf("%d and %d words in %d and %d sentences", ours.Words, theirs.Words, len(ours.Heard), len(theirs.Heard))
	}
	for i, w := range written {
		t.Logf("%s\n  repartee: %s\n  piper:    %s", w, ours.Heard[i], theirs.Heard[i])
	}
	rate := func(errors, words int) float64 { return 100 * float64(errors) / float64(words) }
	t.Logf("word error rate of %d words: repartee %.1f %% (%d), piper-tts %.1f %% (%d)", ours.Words,
		rate(ours.Errors, ours.Words), ours.Errors, rate(theirs.Errors, theirs.Words), theirs.Errors)
	if ours.Errors > theirs.Errors {
		t.Errorf("%d word errors, with piper-tts %d", ours.Errors, theirs.Errors)
	}
}

// defaultVoice is the default voice's file.
func defaultVoice(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("../bin/repartee", "models", "list", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct {
		Kind, Path string
		Default    bool
	}
	if err := json.Unmarshal(out, &entries); err != nil {
		t.Fatalf("models list --json = %.200s: %v", out, err)
	}
	for _, e := range entries {
		if e.Kind == "voice" && e.Default {
			return e.Path
		}
	}
	t.Fatalf("models list --json = %.200s, want a default voice", out)
	return ""
}
