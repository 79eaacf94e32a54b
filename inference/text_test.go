package inference

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// join feeds pieces and returns the chunks that were sent.
func join(stops []string, pieces ...[]byte) (chunks []string, stopped string) {
	out := newTextOut(stops)
	for _, p := range pieces {
		send, stop := out.push(p)
		if len(send) > 0 {
			chunks = append(chunks, string(send))
		}
		if stop != nil {
			return chunks, string(stop)
		}
	}
	if rest := out.flush(); len(rest) > 0 {
		chunks = append(chunks, string(rest))
	}
	return chunks, ""
}

func TestTextIsCutNowhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("abcé漢😀\n")), 0, 40, -1).Draw(t, "text")
		stops := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("abcé漢")), 1, 4, -1), 0, 3).Draw(t, "stops")
		var pieces [][]byte
		for rest := []byte(text); len(rest) > 0; {
			n := rapid.IntRange(1, min(5, len(rest))).Draw(t, "piece")
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		want := text
		for _, s := range stops {
			if i := strings.Index(text, s); i >= 0 && i < len(want) {
				want = text[:i] // the stop that begins first
			}
		}
		chunks, _ := join(stops, pieces...)
		for _, c := range chunks {
			if !utf8.ValidString(c) {
				t.Fatalf("push sent %q, which cuts a character", c)
			}
		}
		got := strings.Join(chunks, "")
		// A stop may be complete before an earlier, longer one can be: what is
		// sent then ends at the one that was met first, never inside a stop.
		if got != want && !(strings.HasPrefix(text, got) && strings.HasPrefix(got, want)) {
			t.Fatalf("text %q with stops %q = %q, want %q", text, stops, got, want)
		}
		for _, s := range stops {
			if strings.Contains(got, s) {
				t.Fatalf("text %q with stops %q = %q, which leaks %q", text, stops, got, s)
			}
		}
	})
}

func TestTextCases(t *testing.T) {
	f := func(stops []string, pieces []string, want, stop string) {
		t.Helper()
		var raw [][]byte
		for _, p := range pieces {
			raw = append(raw, []byte(p))
		}
		chunks, stopped := join(stops, raw...)
		if got := strings.Join(chunks, "|"); got != want || stopped != stop {
			t.Fatalf("pieces %q with stops %q = %q stopped by %q; want %q, %q", pieces, stops, got, stopped, want, stop)
		}
	}
	f(nil, []string{"Hello", " world"}, "Hello| world", "")
	f(nil, []string{"caf\xc3", "\xa9!"}, "caf|é!", "")
	f(nil, []string{"\xf0\x9f", "\x98", "\x80"}, "😀", "")
	f(nil, []string{"bad \xff byte"}, "bad \ufffd byte", "")
	f(nil, []string{"cut \xf0\x9f"}, "cut |\ufffd", "")
	f([]string{"STOP"}, []string{"go ST", "OP on"}, "go ", "STOP")
	f([]string{"STOP"}, []string{"go ST", "AY on"}, "go |STAY on", "")
	f([]string{"\n\n"}, []string{"a\n", "b\n", "\nc"}, "a|\nb", "\n\n")
	f([]string{"aab"}, []string{"a", "a", "a", "b"}, "a", "aab")
	f([]string{"é"}, []string{"caf\xc3", "\xa9"}, "caf", "é")
}

func FuzzTextOut(f *testing.F) {
	f.Add("some text", "me t", 3)
	f.Add("\xf0\x9f\x98\x80", "\x98", 1)
	f.Fuzz(func(t *testing.T, text, stop string, size int) {
		size = max(1, min(size, 64))
		var pieces [][]byte
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		chunks, stopped := join([]string{stop}, pieces...)
		got := strings.Join(chunks, "")
		if !utf8.ValidString(got) {
			t.Fatalf("text %q in pieces of %d = %q, not UTF-8", text, size, got)
		}
		if stop != "" && (stopped != "") != strings.Contains(text, stop) {
			t.Fatalf("text %q, stop %q: stopped by %q", text, stop, stopped)
		}
	})
}
