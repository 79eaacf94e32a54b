package text

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestInline(t *testing.T) {
	f := func(in string, want ...Bit) {
		t.Helper()
		var table Phonemes
		got := Inline(in, &table)
		for i, b := range got { // show pronunciations
			var words []string
			for _, r := range table.Runs(b.Text) {
				words = append(words, r.Text+r.IPA)
			}
			got[i].Text = strings.Join(words, "|")
		}
		if !slices.Equal(got, want) {
			t.Errorf("Inline(%q) = %+v, want %+v", in, got, want)
		}
	}
	ms := time.Millisecond
	f("plain", Bit{"plain", 0})
	f("one [pause:500ms] two", Bit{"one", 500 * ms}, Bit{"two", 0})
	f("one [PAUSE: 1.5s]", Bit{"one", 1500 * ms})
	f("[pause:200] two", Bit{"", 200 * ms}, Bit{"two", 0})
	f("x [pause:99h] y", Bit{"x [pause:99h] y", 0})
	f("x [pause:9999s] y", Bit{"x", MaxPause}, Bit{"y", 0})
	f("x [pause:1.2.3s] y", Bit{"x", 0}, Bit{"y", 0})
	f("say [tomato](/təˈmɑːtoʊ/) now", Bit{"say|təˈmɑːtoʊ|now", 0})
	f("a [link](/docs/) here", Bit{"a [link](/docs/) here", 0})
}

func TestLexicon(t *testing.T) {
	l, err := NewLexicon(map[string]string{"SQL": "sequel", "nginx": "/ˈɛndʒɪnˈɛks/", "New York": "the big apple", "C++": "see plus plus"})
	if err != nil {
		t.Fatal(err)
	}
	f := func(in, want string) {
		t.Helper()
		var table Phonemes
		got := l.Apply(in, &table)
		var words []string
		for _, r := range table.Runs(got) {
			words = append(words, r.Text+r.IPA)
		}
		if s := strings.Join(words, "|"); s != want {
			t.Errorf("Apply(%q) = %q, want %q", in, s, want)
		}
	}
	f("I use SQL and sql, not MySQL.", "I use sequel and sequel, not MySQL.")
	f("run nginx now", "run|ˈɛndʒɪnˈɛks|now")
	f("in new york, C++ rules", "in the big apple, see plus plus rules")
	f("sqlite", "sqlite")
	if _, err := NewLexicon(map[string]string{"": "x"}); err == nil {
		t.Error("an empty word was taken")
	}
	if _, err := NewLexicon(map[string]string{"x": strings.Repeat("y", 1000)}); err == nil {
		t.Error("an endless reading was taken")
	}
}

func TestSSML(t *testing.T) {
	f := func(in string, want ...Span) {
		t.Helper()
		var table Phonemes
		got, err := SSML("<speak>"+in+"</speak>", &table)
		if err != nil {
			t.Errorf("SSML(%q): %v", in, err)
			return
		}
		for i, s := range got {
			var words []string
			for _, r := range table.Runs(strings.Join(strings.Fields(s.Text), " ")) {
				words = append(words, r.Text+r.IPA)
			}
			got[i].Text = strings.Join(words, "|")
		}
		if !slices.Equal(got, want) {
			t.Errorf("SSML(%q) = %+v, want %+v", in, got, want)
		}
	}
	ms := time.Millisecond
	f("Hello", Span{"Hello", Natural, 0, EndParagraph})
	f("One<break time='250ms'/>two", Span{"One", Natural, 250 * ms, EndCut}, Span{"two", Natural, 0, EndParagraph})
	f("One<break/><break strength='weak'/>two", Span{"One", Natural, 600 * ms, EndCut}, Span{"two", Natural, 0, EndParagraph})
	f("<p>A</p><p><s>B</s><s>C</s></p>", Span{"A", Natural, 0, EndParagraph}, Span{"B", Natural, 0, EndSentence}, Span{"C", Natural, 0, EndParagraph})
	f("a <prosody rate='50%'>b <prosody rate='slow'>c</prosody></prosody> d", Span{"a", Natural, 0, EndCut}, Span{"b", Manner{0.5, 1, 1}, 0, EndCut},
		Span{"c", Manner{0.375, 1, 1}, 0, EndCut}, Span{"d", Natural, 0, EndParagraph})
	f("<prosody rate='+20%' volume='soft'>a<prosody volume='-6dB' pitch='+12st'>b</prosody></prosody><prosody pitch='high'>c</prosody>",
		Span{"a", Manner{1.2, decibels(-6), 1}, 0, EndCut}, Span{"b", Manner{1.2, decibels(-6) * decibels(-6), 2}, 0, EndCut}, Span{"c", Manner{1, 1, 1.1}, 0, EndParagraph})
	f("<prosody volume='silent'>a</prosody><prosody volume='50' rate='0.5' pitch='-10%'>b</prosody>",
		Span{"a", Manner{1, 0, 1}, 0, EndCut}, Span{"b", Manner{0.5, 0.5, 0.9}, 0, EndParagraph})
	f("<prosody volume='+900dB' pitch='+99st' contour='(0%,+20Hz)'>a</prosody>", Span{"a", Manner{1, 4, 2}, 0, EndParagraph})
	f("the <sub alias='World Wide Web'>WWW</sub> is", Span{"the World Wide Web is", Natural, 0, EndParagraph})
	f("say <phoneme alphabet='ipa' ph='təˈmeɪtoʊ'>tomato</phoneme>!", Span{"say|təˈmeɪtoʊ|!", Natural, 0, EndParagraph})
	f("<say-as interpret-as='characters'>AB1</say-as>", Span{"A, B, one", Natural, 0, EndParagraph})
	f("<say-as interpret-as='digits'>123</say-as>", Span{"one two three", Natural, 0, EndParagraph})
	f("<say-as interpret-as='ordinal'>3</say-as> &amp; <say-as interpret-as='date'>1999</say-as>", Span{"third & nineteen ninety-nine", Natural, 0, EndParagraph})
	f("<emphasis>very</emphasis> <unknown>odd</unknown>", Span{"very odd", Natural, 0, EndParagraph})
	f("x\U000F0000y", Span{"xy", Natural, 0, EndParagraph})

	bad := func(in, has string) {
		t.Helper()
		var table Phonemes
		if _, err := SSML(in, &table); err == nil || !strings.Contains(err.Error(), has) {
			t.Errorf("SSML(%q) gives %v, want an error with %q", in, err, has)
		}
	}
	bad("<speak>a", "SSML")
	bad("<speak><break time='x'/></speak>", "break time")
	bad("<speak><prosody rate='x'>a</prosody></speak>", "prosody rate")
	for _, a := range []string{"rate='-100%'", "rate='0'", "volume='+5'", "volume='101'", "volume='x'", "pitch='200Hz'", "pitch='100'", "pitch='NaN%'", "rate='+Inf%'", "volume='1e9dB'"} {
		bad("<speak><prosody "+a+">a</prosody></speak>", "prosody "+a[:strings.IndexByte(a, '=')])
	}
	bad("<speak>"+strings.Repeat("<p>", 100), "deep")
	bad("<talk>a</talk>", "outermost")
}

func FuzzSSML(f *testing.F) {
	f.Add("<speak>a<break time='1s'/><prosody rate='fast' volume='+6dB' pitch='-2st'>b</prosody><sub alias='x'>c</sub></speak>")
	f.Fuzz(func(t *testing.T, s string) {
		var table Phonemes
		spans, err := SSML(s, &table)
		if err != nil {
			return
		}
		for _, p := range spans {
			if p.Text == "" || p.Pause < 0 || p.Pause > MaxPause || p.Manner != p.within() {
				t.Errorf("SSML(%q) has the span %+v", s, p)
			}
		}
	})
}

func FuzzInline(f *testing.F) {
	f.Add("say [tomato](/təˈmɑːtoʊ/) [pause:1.5s] now [pause: 200 ms]")
	f.Add("[pause:1e9s][pause:][[](/ə/)]")
	f.Fuzz(func(t *testing.T, s string) {
		var table Phonemes
		for _, b := range Inline(Unreserve(s), &table) {
			if b.Pause < 0 || b.Pause > MaxPause {
				t.Errorf("Inline(%q) has a pause of %v", s, b.Pause)
			}
			for _, r := range table.Runs(b.Text) {
				if r.Text != "" && r.IPA != "" || strings.ContainsFunc(r.Text, isReserved) {
					t.Errorf("Inline(%q) has the run %+v", s, r)
				}
			}
		}
	})
}

func FuzzLexicon(f *testing.F) {
	f.Add("sql", "sequel", "nginx", "/ˈɛndʒɪnˈɛks/", "I use SQL and nginx.")
	f.Add("(", ")", "K", "k", "K (K) \u212a")
	f.Add("İ", "x", "ß", "y", "İ i SS ß")
	f.Fuzz(func(t *testing.T, a, x, b, y, s string) {
		l, err := NewLexicon(map[string]string{a: x, b: y})
		if err != nil {
			return
		}
		var table Phonemes
		if got := l.Apply(s, &table); len(got) > (len(s)+1)*(maxEntry+8) {
			t.Errorf("Apply(%q) gave %d bytes", s, len(got))
		}
	})
}

func FuzzSegments(f *testing.F) {
	f.Add("one, two; three... four?! U.S.A (five)")
	f.Fuzz(func(t *testing.T, s string) {
		for _, g := range Segments(s) {
			if strings.TrimSpace(g.Text) == "" || g.Mark != 0 && strength(g.Mark) < 0 {
				t.Errorf("Segments(%q) has %+v", s, g)
			}
		}
	})
}
