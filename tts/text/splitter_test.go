package text

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// pieces splits text that arrives in the given parts.
func pieces(parts []string, eager bool) []Piece {
	s := &Splitter{Eager: eager}
	var out []Piece
	take := func() {
		for {
			p, ok := s.Next()
			if !ok {
				return
			}
			out = append(out, p)
		}
	}
	for _, p := range parts {
		s.Write(p)
		take()
	}
	s.Flush()
	take()
	return out
}

func texts(ps []Piece) []string {
	var out []string
	for _, p := range ps {
		out = append(out, p.Text)
	}
	return out
}

func TestSplit(t *testing.T) {
	f := func(in string, want ...string) {
		t.Helper()
		if got := texts(pieces([]string{in}, false)); !slices.Equal(got, want) {
			t.Errorf("split %q = %q, want %q", in, got, want)
		}
		// A character at a time must give the same.
		if got := texts(pieces(strings.Split(in, ""), false)); !slices.Equal(got, want) {
			t.Errorf("split %q by the character = %q, want %q", in, got, want)
		}
	}
	f("Hello.", "Hello.")
	f("Hello. World.", "Hello.", "World.")
	f("One! Two? Three.", "One!", "Two?", "Three.")
	f("Pi is 3.14 or so. Yes.", "Pi is 3.14 or so.", "Yes.")
	f("I saw Dr. No. It was good.", "I saw Dr. No.", "It was good.")
	f("Mr. J. Smith left. He ran.", "Mr. J. Smith left.", "He ran.")
	f("Use tea, e.g. Assam. Or not.", "Use tea, e.g. Assam.", "Or not.")
	f("The U.S. Army won. The end.", "The U.S. Army won.", "The end.")
	f("He lives in the U.S. The weather is fine.", "He lives in the U.S.", "The weather is fine.")
	f("It is 5 p.m. We go.", "It is 5 p.m.", "We go.")
	f("It is 5 p.m. now.", "It is 5 p.m. now.")
	f("See No. 5 there. No. He left.", "See No. 5 there.", "No.", "He left.")
	f("Go to https://a.b/c.d?e=f. Then stop.", "Go to https://a.b/c.d?e=f.", "Then stop.")
	f("Edit main.go. Then v1.2.3 is out.", "Edit main.go.", "Then v1.2.3 is out.")
	f("He said \"Stop.\" Then he left.", "He said \"Stop.\"", "Then he left.")
	f("Really?! Yes... well. Hm… OK.", "Really?!", "Yes... well.", "Hm…", "OK.")
	f("wait... what", "wait... what")
	f("你好。今天天气很好！是吗？", "你好。", "今天天气很好！", "是吗？")
	f("こんにちは。元気ですか？", "こんにちは。", "元気ですか？")
	f("A line\nbroken softly. Next.", "A line\nbroken softly.", "Next.")
	f("Para one\n\nPara two", "Para one", "Para two")
	f("# Title\nText here.", "# Title", "Text here.")
	f("List:\n- one\n- two\n1. three\n2. four", "List:", "- one", "- two", "1. three", "2. four")
	f("Before.\n```go\nx := 1\ny := 2\n```\nAfter.", "Before.", "x := 1", "y := 2", "After.")
	f("😀🎉 Hi 👍. Bye 😀.", "😀🎉 Hi 👍.", "Bye 😀.")
	f("...\n!!!\n— * —")
	f("   \n\t ")
	f("Wow 😀! Next.", "Wow 😀!", "Next.")
	f("(One.) Two.", "(One.)", "Two.")
	f("At 10:30. Then 1,000 more; it was fine.", "At 10:30.", "Then 1,000 more; it was fine.")
}

func TestSplitEnds(t *testing.T) {
	f := func(in string, want End) {
		t.Helper()
		if got := pieces([]string{in + " And then some more words."}, false)[0].End; got != want {
			t.Errorf("end of the first piece of %q = %d, want %d", in, got, want)
		}
	}
	f("Hello.", EndSentence)
	f("Hello\n\n", EndParagraph)
	f("# Hello\n", EndParagraph)
	f(strings.Repeat("word ", 100), EndCut)
	f(strings.Repeat("word ", 60)+", and", EndComma)
}

func TestSplitEager(t *testing.T) {
	long := "This first clause is long enough, and this is what follows behind it, with still more and more and more words until the sentence is at last long. End."
	whole := func(in string) string {
		s := &Splitter{Eager: true}
		s.Write(in)
		s.Flush()
		p, _ := s.Next()
		return p.Text
	}
	if got := whole(long); got != "This first clause is long enough," {
		t.Errorf("first eager piece = %q", got)
	}
	short := "This first clause is long enough, but not the rest. End."
	if got := whole(short); got != "This first clause is long enough, but not the rest." {
		t.Errorf("first eager piece of a short whole = %q", got)
	}
	if got := pieces([]string{"This first clause is long enough, but who knows", " what comes. "}, true)[0].Text; got != "This first clause is long enough," {
		t.Errorf("first eager piece of a stream = %q", got)
	}
}

// Nothing but white space and unspeakable pieces is lost, pieces are bounded,
// and how the text arrives makes no difference.
func TestSplitAnything(t *testing.T) {
	word := rapid.OneOf(rapid.SampledFrom([]string{"Hello", "3.14", "Dr.", "e.g.", "a,", "b;", "end.", "So!", "你好。", "\n", "\n\n", "- x", "1. y", "```", "😀", "...", "\"Q.\"", "U.S.", "http://a.b/c", strings.Repeat("x", 500)}), rapid.StringN(1, 8, -1))
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOfN(word, 0, 60).Draw(t, "words"), " ")
		whole := pieces([]string{in}, false)
		n := rapid.IntRange(1, 9).Draw(t, "n")
		var parts []string
		for s := in; s != ""; {
			k := min(n, len(s)) // may cut a character in two
			parts = append(parts, s[:k])
			s = s[k:]
		}
		if got := pieces(parts, false); !slices.Equal(got, whole) {
			t.Fatalf("in parts of %d bytes %q splits into %+v, whole into %+v", n, in, got, whole)
		}
		for _, p := range whole {
			if len(p.Text) > hardLimit+8 || !utf8.ValidString(p.Text) || !Speakable(p.Text) {
				t.Fatalf("split %q has the piece %q of %d bytes", in, p.Text, len(p.Text))
			}
		}
	})
}

func FuzzSplitter(f *testing.F) {
	f.Add("Hello. World, e.g. 3.14!\n\n- a\n```x```", 3)
	f.Add("\xff。\xe3\x80", 1)
	f.Fuzz(func(t *testing.T, in string, n int) {
		if len(in) > 4096 {
			return
		}
		n = max(1, min(n, 100))
		whole := pieces([]string{in}, false)
		var parts []string
		for s := in; s != ""; {
			k := min(n, len(s))
			parts = append(parts, s[:k])
			s = s[k:]
		}
		if got := pieces(parts, false); !slices.Equal(got, whole) {
			t.Fatalf("in parts of %d bytes %q splits into %+v, whole into %+v", n, in, got, whole)
		}
	})
}

func TestSegments(t *testing.T) {
	f := func(in string, want ...Segment) {
		t.Helper()
		if got := Segments(in); !slices.Equal(got, want) {
			t.Errorf("Segments(%q) = %q, want %q", in, got, want)
		}
	}
	f("")
	f("hello", Segment{"hello", 0})
	f("hello, world.", Segment{"hello", ','}, Segment{"world", '.'})
	f("the U.S. Army", Segment{"the U.S", '.'}, Segment{"Army", 0})
	f("one (two) three?!", Segment{"one", ','}, Segment{"two", ','}, Segment{"three", '?'})
	f("...", []Segment{}...)
	f("a… b", Segment{"a", '…'}, Segment{"b", 0})
}
