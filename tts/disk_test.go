package tts

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// diskService is a fakeService that keeps its speech in dir.
func diskService(t testing.TB, v *fakeVoice, dir string, limit int64, cfg Config) *Service {
	t.Helper()
	s := fakeService(t, v, cfg)
	d, err := openDisk(dir, limit, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("openDisk(%q): %v", dir, err)
	}
	s.disk = d
	return s
}

func speechFiles(t testing.TB, dir string) []string {
	t.Helper()
	m, err := filepath.Glob(filepath.Join(dir, "*"+diskSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSpeechOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	r := Request{Text: "Hello there. World.", Format: FormatPCM, Timestamps: true}
	first := diskService(t, &fakeVoice{timed: true}, dir, 1<<20, Config{})
	want, p := say(t, first, r)
	if p.Info().CacheHit {
		t.Error("the first request was a cache hit")
	}
	audio, words := p.Timings().Audio, p.Captions().Words
	first.Close()
	if n := len(speechFiles(t, dir)); n != 1 {
		t.Fatalf("%d files, want 1", n)
	}

	v := &fakeVoice{timed: true}
	second := diskService(t, v, dir, 1<<20, Config{CacheBytes: 1 << 20})
	n := v.speeches.Load()
	for _, where := range []string{"disk", "memory"} {
		got, p := say(t, second, r)
		if !p.Info().CacheHit || !bytes.Equal(got, want) || v.speeches.Load() != n {
			t.Errorf("from %s: hit %v, same bytes %v, %d more speeches", where, p.Info().CacheHit, bytes.Equal(got, want), v.speeches.Load()-n)
		}
		if p.Timings().Audio != audio || !slices.Equal(p.Captions().Words, words) {
			t.Errorf("from %s: %v with the words %v, want %v with %v", where, p.Timings().Audio, p.Captions().Words, audio, words)
		}
	}
	// Another voice's files, or another program's, are another key.
	second.voices[0].files[0]++
	if _, p := say(t, second, Request{Text: r.Text, Format: FormatPCM, Seed: 7}); p.Info().CacheHit {
		t.Error("another seed was a cache hit")
	}
	third := diskService(t, v, dir, 1<<20, Config{})
	third.voices[0].files[0]++
	if _, p := say(t, third, r); p.Info().CacheHit {
		t.Error("speech of other files was a cache hit")
	}
}

// Whatever happens to a file, the right bytes come out, and the file is made
// anew.
func TestDamagedSpeechIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	r := Request{Text: "Hello there. World.", Format: FormatWAV, Whole: true}
	s := diskService(t, &fakeVoice{}, dir, 1<<20, Config{})
	want, _ := say(t, s, r)
	s.Close()
	path := speechFiles(t, dir)[0]
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s := diskService(t, &fakeVoice{}, dir, 1<<20, Config{})
		got, p := say(t, s, r)
		s.Close()
		if p.Info().CacheHit || !bytes.Equal(got, want) {
			t.Errorf("%s: hit %v, same bytes %v, want none and the same", name, p.Info().CacheHit, bytes.Equal(got, want))
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, good) {
			t.Errorf("%s: the file was not made anew (%v)", name, err)
		}
	}
	for _, at := range []int{0, 9, 41, 45, 53, 57, diskHeader, diskHeader + 100, len(good) - 1} {
		b := slices.Clone(good)
		b[at] ^= 0x10
		f("a flipped bit", b)
	}
	f("nothing", nil)
	f("half", good[:len(good)/2])
	f("more", append(slices.Clone(good), 0))
	f("a header alone", good[:diskHeader])
}

func TestDiskIsBounded(t *testing.T) {
	dir := t.TempDir()
	const limit = 100_000
	s := diskService(t, &fakeVoice{}, dir, limit, Config{})
	used := func() (sum int64) {
		for _, f := range speechFiles(t, dir) {
			st, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			sum += st.Size()
		}
		return sum
	}
	for i := range 40 {
		if _, p := say(t, s, Request{Text: "some words to speak", Format: FormatPCM, Seed: uint64(i)}); p.Info().CacheHit {
			t.Fatalf("request %d was a cache hit", i)
		}
	}
	say(t, s, Request{Text: "one speech that is longer than a fourth of all there is room for, by far and by all means", Format: FormatPCM, SampleRate: 48000})
	s.Close()
	if n := used(); n > limit || n < limit/3 {
		t.Errorf("%d bytes on disk, the bound is %d", n, limit)
	}
	old := filepath.Join(dir, "1"+diskNew)
	if err := os.WriteFile(old, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(old, long, long); err != nil {
		t.Fatal(err)
	}
	// A smaller bound removes what was used longest ago, and what was never finished.
	d, err := openDisk(dir, 20_000, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	if n := used(); n > 20_000 || n == 0 {
		t.Errorf("%d bytes on disk under a bound of 20000", n)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("an unfinished file was left")
	}
}

func TestDiskNeedsAFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDisk(file, 1, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("openDisk took a file for a folder")
	}
}

func FuzzSaved(f *testing.F) {
	good, err := encodeSaved(saved{notes: notes{Audio: time.Second, Clauses: 1}, chunks: [][]byte{[]byte("audio")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:diskHeader])
	f.Add([]byte(diskMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSaved([32]byte{}, b)
		if err != nil {
			return
		}
		again, err := encodeSaved(s)
		if err != nil {
			t.Fatalf("encodeSaved: %v", err)
		}
		if back, err := decodeSaved([32]byte{}, again); err != nil || back.notes.Audio != s.notes.Audio || len(back.chunks) != len(s.chunks) {
			t.Errorf("%+v became %+v (%v)", s, back, err)
		}
	})
}
