package espeak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"repartee/tts/internal/voicetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func realClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	cfg.Program, cfg.Library, cfg.Data = voicetest.Espeak(t)
	c, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestPhonemes(t *testing.T) {
	c := realClient(t, Config{})
	f := func(language, text, want string) {
		t.Helper()
		got, err := c.Phonemes(context.Background(), language, text)
		if err != nil || got[0] != want {
			t.Errorf("Phonemes(%s, %q) = %q, %v, want %q", language, text, got, err, want)
		}
	}
	f("en-us", "hello world", "həlˈoʊ wˈɜːld")
	f("en-us", "twenty-one", "twˈɛntiwˌʌn")
	f("en-us", "", "")
	f("en-us", "\x00\x01", "")
	f("en-us", "hello\nworld", "həlˈoʊ wˈɜːld")
	// The last character of a text must not turn up in the next one.
	f("en-us", "A, B, C", "ˈeɪ bˈiː sˈiː")
	f("en-us", "x.", "ˈɛks")
	f("en-us", "one. 2", "wˌʌn tˈuː")
	f("en-us", "two", "tˈuː")
	f("de", "schön", "ʃˈøːn")
	// These two end in a crash when the voice is set by its name.
	for _, l := range []string{"en-gb", "fr-fr"} {
		if got, err := c.Phonemes(context.Background(), l, "bonjour"); err != nil || got[0] == "" {
			t.Errorf("Phonemes(%s) = %q, %v", l, got, err)
		}
	}
	_, err := c.Phonemes(context.Background(), "xx-klingon", "hello")
	if err == nil || !strings.Contains(err.Error(), "no such language") {
		t.Errorf("an unknown language gives %v", err)
	}
	f("en-us", "still here", "stˈɪl hˈɪɹ")
	if _, err := c.Phonemes(context.Background(), "en-us", strings.Repeat("a", MaxSegment+1)); err == nil {
		t.Error("a segment beyond the bound was taken")
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = strings.Repeat("word ", 200)
	}
	if _, err := c.Phonemes(context.Background(), "en-us", many...); err == nil {
		t.Error("a request beyond the bound was taken")
	}
}

// Helpers that are killed are started anew, also in the middle of requests.
func TestHelperIsRestarted(t *testing.T) {
	c := realClient(t, Config{Processes: 2, CacheSize: -1})
	want, err := c.Phonemes(context.Background(), "en-us", "hello world")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		p := <-c.idle
		if p != nil {
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		c.idle <- p
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				got, err := c.Phonemes(context.Background(), "en-us", "hello world")
				if err != nil || got[0] != want[0] {
					t.Errorf("after a kill: %q, %v, want %q", got, err, want)
				}
			})
		}
		wg.Wait()
	}
}

// Words beyond espeak-ng's buffer, which end the process, are read in parts.
func TestWordsWithoutEnd(t *testing.T) {
	c := realClient(t, Config{CacheSize: -1})
	for _, unit := range []string{"antidis", "a", "é", "1", "ш", "a-", "ab'"} {
		for _, n := range []int{maxWord, maxWord + 1, 160, 189, 400, 4000} {
			s := strings.Repeat(unit, n/len(unit)+1)
			if got, err := c.Phonemes(context.Background(), "en-us", s+" "+s); err != nil || got[0] == "" {
				t.Errorf("%d times %q: %d bytes, %v", n, unit, len(got), err)
			}
		}
	}
	f := func(in, want string) {
		t.Helper()
		if got := cutWords(in); got != want {
			t.Errorf("cutWords(%q) = %q, want %q", in, got, want)
		}
	}
	x := strings.Repeat("x", maxWord)
	f("", "")
	f("a b", "a b")
	f(x+" "+x, x+" "+x)
	f(x+"yz "+x+x, x+" yz "+x+" "+x)
	f(x[1:]+"é", x[1:]+" é")
}

// deadly is a helper that dies of the word "die" and spells all others.
const deadly = `import sys, struct, os
out, inp = sys.stdout.buffer, sys.stdin.buffer
def answer(b):
    out.write(struct.pack("<I", len(b) + 1) + b"\0" + b); out.flush()
answer(b"")
while True:
    head = inp.read(4)
    if len(head) < 4: break
    body = inp.read(struct.unpack("<I", head)[0])
    rest, segments = body[1 + body[0]:], []
    while rest:
        n = struct.unpack("<H", rest[:2])[0]
        segments.append(rest[2:2 + n]); rest = rest[2 + n:]
    if any(b"die" in s.split() for s in segments): os.abort()
    answer(b"".join(struct.pack("<H", len(s)) + s for s in segments))
`

// A word that kills the helper is left out, and nothing else; a text of such
// words is refused.
func TestDeadlyWords(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	program := filepath.Join(t.TempDir(), "helper")
	if err := os.WriteFile(program, []byte("#!"+python+"\n"+deadly), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{Program: program, Processes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := c.Phonemes(context.Background(), "en-us", "all is well", "one two die three", "and good", "die")
	if want := []string{"all is well", "one two  three", "and good", ""}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Phonemes = %q, %v, want %q", got, err, want)
	}
	if _, err := c.Phonemes(context.Background(), "en-us", strings.Repeat("die ", 40)); !errors.Is(err, ErrUnreadable) {
		t.Errorf("Phonemes of deadly words = %v, want ErrUnreadable", err)
	}
	if got, err := c.Phonemes(context.Background(), "en-us", "still here"); err != nil || got[0] != "still here" {
		t.Errorf("after that: %q, %v", got, err)
	}
}

// A helper that hangs is killed when its time is up.
func TestHelperTimeout(t *testing.T) {
	c := realClient(t, Config{Processes: 1, Timeout: 300 * time.Millisecond, CacheSize: -1})
	p := <-c.idle
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	c.idle <- p
	got, err := c.Phonemes(context.Background(), "en-us", "hello")
	if err != nil || got[0] != "həlˈoʊ" {
		t.Errorf("behind a stopped helper: %q, %v", got, err)
	}
}

func TestPhonemesAtOnce(t *testing.T) {
	c := realClient(t, Config{Processes: 3})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			word := []string{"hello", "world", "paper"}[i%3]
			want := []string{"həlˈoʊ", "wˈɜːld", "pˈeɪpɚ"}[i%3]
			for range 20 {
				if got, err := c.Phonemes(context.Background(), "en-us", word); err != nil || got[0] != want {
					t.Errorf("Phonemes(%q) = %q, %v, want %q", word, got, err, want)
				}
			}
		})
	}
	wg.Wait()
}

func TestNewNamesWhatIsWrong(t *testing.T) {
	program, library, data := voicetest.Espeak(t)
	f := func(cfg Config, has string) {
		t.Helper()
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), has) {
			t.Errorf("New(%+v) = %v, want an error with %q", cfg, err, has)
		}
	}
	f(Config{}, "no phonemizer")
	f(Config{Program: "/nonexistent/helper"}, "/nonexistent/helper")
	f(Config{Program: program, Library: "/nonexistent/lib.so", Data: data}, "/nonexistent/lib.so")
	f(Config{Program: program, Library: library, Data: "/nonexistent/data"}, "/nonexistent/data")
	f(Config{Program: "/bin/cat"}, "starting")
}

func TestClosedClient(t *testing.T) {
	c := realClient(t, Config{})
	c.Close()
	if _, err := c.Phonemes(context.Background(), "en-us", "new words"); !errors.Is(err, ErrClosed) {
		t.Errorf("Phonemes on a closed client = %v, want ErrClosed", err)
	}
}

func TestDropSwitches(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := dropSwitches(in); got != want {
			t.Errorf("dropSwitches(%q) = %q, want %q", in, got, want)
		}
	}
	f("a (en)b(de) c", "a b c")
	f("a (en b", "a (en b")
	f("a ) b", "a ) b")
}

func TestProtocol(t *testing.T) {
	b, err := appendRequest(nil, "en-us", []string{"ab", ""})
	want := "\x0e\x00\x00\x00\x05en-us\x02\x00ab\x00\x00"
	if err != nil || string(b) != strings.Replace(want, "\x0e", string(rune(len(want)-4)), 1) {
		t.Errorf("appendRequest = %q, %v, want %q", b, err, want)
	}
	if _, err := appendRequest(nil, "", nil); err == nil {
		t.Error("a request without a language was written")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("\x05\x00\x00\x00\x00\x02\x00ab"), 1)
	f.Add([]byte("\x03\x00\x00\x00\x01no"), 1)
	f.Fuzz(func(t *testing.T, b []byte, want int) {
		out, err := readAnswer(bytes.NewReader(b), want)
		if err == nil && len(out) != want {
			t.Errorf("readAnswer(%q, %d) = %q", b, want, out)
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	c := &Client{cfg: Config{CacheSize: 10}, cache: map[string]string{}, old: map[string]string{}}
	for i := range 100 {
		c.remember("en", fmt.Sprint(i), "x")
		if n := len(c.cache) + len(c.old); n > 10 {
			t.Fatalf("%d entries after %d", n, i+1)
		}
	}
	if _, ok := c.lookup("en", "99"); !ok {
		t.Error("the last entry was forgotten")
	}
}
