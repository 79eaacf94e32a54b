package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"repartee/tts"
)

// What a partial file says after an accident is a place that was reached, and the
// samples before it are those that were written.
func TestPartialGoesOn(t *testing.T) {
	const rate = 1000
	// write makes a partial file of three saved checkpoints, 10 samples each, and 5
	// samples behind them.
	write := func(t *testing.T) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), "out.mp3")
		p, err := openPartial(file, "key", rate, true)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			word := tts.Span{Text: string(rune('a' + i)), Start: 2 * time.Millisecond, End: 5 * time.Millisecond}
			c := tts.Checkpoint{Pieces: 2 * (i + 1), Samples: int64(10), Captions: tts.Captions{Words: []tts.Span{word}}}
			if err := p.add([]byte(strings.Repeat(string(rune('A'+i)), 20)), int64(10*i), []tts.Checkpoint{c}, true); err != nil {
				t.Fatal(err)
			}
			if err := p.save(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.add([]byte("XXXXXXXXXX"), 0, nil, true); err != nil {
			t.Fatal(err)
		}
		if _, err := openPartial(file, "key", rate, true); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("a second openPartial = %v, want an error about another process", err)
		}
		if err := p.w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := p.close(); err != nil {
			t.Fatal(err)
		}
		return file
	}
	change := func(t *testing.T, file string, f func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, f(b), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	f := func(name, key string, hurt func(t *testing.T, samples, journal string), pieces int) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			file := write(t)
			if hurt != nil {
				hurt(t, file+".part", file+".part.json")
			}
			for range 2 { // the second time nothing is left to repair
				p, err := openPartial(file, key, rate, true)
				if err != nil {
					t.Fatal(err)
				}
				n := pieces / 2
				if p.at.Pieces != pieces || p.at.Samples != int64(10*n) || p.written != p.at.Samples {
					t.Errorf("it goes on behind piece %d, sample %d of %d, want %d, %d", p.at.Pieces, p.at.Samples, p.written, pieces, 10*n)
				}
				if len(p.words) != n || n > 0 && (p.words[n-1].Text != string(rune('a'+n-1)) || p.words[n-1].Start != time.Duration(10*(n-1)+2)*time.Millisecond) {
					t.Errorf("words %v, want %d of them", p.words, n)
				}
				if err := p.close(); err != nil {
					t.Fatal(err)
				}
				b, err := os.ReadFile(file + ".part")
				if want := strings.Repeat("A", 20) + strings.Repeat("B", 20) + strings.Repeat("C", 20); err != nil || string(b) != want[:20*n] {
					t.Errorf("samples %q (%v), want %q", b, err, want[:20*n])
				}
			}
		})
	}
	cut := func(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }
	f("an orderly end", "key", nil, 6)
	f("another speech", "other", nil, 0)
	f("a torn line", "key", func(t *testing.T, _, journal string) { change(t, journal, cut(3)) }, 4)
	f("samples that never reached the disk", "key", func(t *testing.T, samples, _ string) { change(t, samples, cut(21)) }, 4)
	f("no samples", "key", func(t *testing.T, samples, _ string) { change(t, samples, func([]byte) []byte { return nil }) }, 0)
	f("no journal", "key", func(t *testing.T, _, journal string) { change(t, journal, func([]byte) []byte { return nil }) }, 0)
	f("garbage behind", "key", func(t *testing.T, _, journal string) {
		change(t, journal, func(b []byte) []byte { return append(b, "{}\nnonsense\n"...) })
	}, 6)
	f("garbage before", "key", func(t *testing.T, _, journal string) {
		change(t, journal, func(b []byte) []byte { return append([]byte("nonsense\n"), b...) })
	}, 0)
	f("a line twice", "key", func(t *testing.T, _, journal string) {
		change(t, journal, func(b []byte) []byte {
			lines := slices.Collect(strings.Lines(string(b)))
			return []byte(strings.Join(append(lines, lines[1]), ""))
		})
	}, 6)
	if _, err := openPartial(filepath.Join(t.TempDir(), "no", "such", "out.mp3"), "key", rate, true); err == nil {
		t.Error("openPartial makes files in a folder that is not there")
	}
}
