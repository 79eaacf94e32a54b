package tts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"repartee/tts/text"
)

// nasty are texts that break readers: each is repeated to the size asked for.
var nasty = map[string]string{
	"letters": "a", "words": "word ", "digits": "7", "spaced digits": "7 ", "dots": ".", "spaced dots": ". ", "commas": ",", "dashes": "-", "spaces": " ", "line ends": "\n",
	"tabs": "\t", "zeros": "\x00", "controls": "\x01\x02\x1b[31m\x7f", "invalid": "\xff\xfe\xc3", "cut": "\xe3\x80", "BOM": "\ufeff", "joiners": "\u200d\u200b\u2060",
	"accents": "e\u0301\u0301\u0301", "right to left": "שלום עולם, ", "Arabic": "مرحبا بالعالم؟ ", "marks of direction": "\u202e\u2066abc\u2069", "Chinese": "你好，世界。", "Thai": "สวัสดีชาวโลก",
	"emoji": "👩‍👩‍👧‍👦🏳️‍🌈", "surrogates": "\xed\xa0\x80", "private": "\U000F0000\U0010FFFD", "musical": "𝄞𝕳𝖊", "brackets": "[", "pauses": "[pause:1s]", "phonemes": "[a](/ə/)", "links": "[a](b)",
	"open link": "[a](", "ticks": "`", "fences": "```\n", "stars": "*", "pairs of stars": "**a** ", "underscores": "_", "pipes": "|", "rows": "|a|b|\n", "hashes": "#", "headings": "# a\n", "items": "- a\n", "numbers": "1. a\n",
	"quotes": "\"", "apostrophes": "'", "angles": "<", "tags": "<b>", "speak": "<speak>", "entities": "&amp;", "ampersands": "&", "slashes": "/", "URLs": "http://a.b/c?d=e&f ", "addresses": "a@b.co ", "at signs": "@", "dollars": "$", "money": "$1.50 ",
	"percents": "%", "times": "10:30:", "dates": "1/2/2003 ", "phones": "555-0142 ", "ranges": "1-2-", "versions": "1.2.", "thousands": "1,000,", "Roman": "XVIII ", "abbreviations": "e.g. ", "titles": "Dr. ", "initials": "U.S.", "camel": "camelCase", "units": "5 km ",
	"fractions": "½", "superscripts": "x²", "plus": "+", "tildes": "~", "backslashes": "\\", "equals": "=", "ellipses": "…", "wide": "！？", "mixed": "Ab1 2.3-4/5:6 $7 %8 [9] *x* _y_ `z` <w> é你🙂 \x00\xff\n",
}

func repeated(s string, size int) string { return strings.Repeat(s, size/len(s)+1)[:size] }

// lines reads a whole text as a speech would and counts what is to be said.
func lines(ctx context.Context, s *Service, r Request) (n int, err error) {
	o, err := s.check(r)
	if err != nil {
		return 0, err
	}
	if !text.Speakable(o.Text) {
		return 0, errSilent
	}
	var src source
	if err := src.open(o); err != nil {
		return 0, err
	}
	for {
		ls, ok, err := src.next(ctx, s.ph)
		if err != nil || !ok {
			return n, err
		}
		for _, l := range ls {
			if len([]rune(l.units)) > o.r.info.MaxUnits {
				return n, fmt.Errorf("a line of %d units", len([]rune(l.units)))
			}
		}
		n += len(ls)
	}
}

// Whatever a text is made of, it is read to its end, in lines that a voice can
// take, or refused with the field's name; a text too long is refused at once.
func TestNastyTextsAreRead(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{MaxText: 12 << 20})
	const size = 8 << 10
	for name, unit := range nasty {
		for _, ssml := range []bool{false, true} {
			r := Request{Text: repeated(unit, size), SSML: ssml}
			if ssml {
				r.Text = "<speak>" + r.Text + "</speak>"
			}
			_, err := lines(t.Context(), s, r)
			var fe *FieldError
			if err != nil && (!errors.As(err, &fe) || fe.Field != "text") {
				t.Errorf("%s (SSML %v): %v, want an error about the text or none", name, ssml, err)
			}
		}
	}
	for _, text := range []string{repeated("word ", 10<<20), repeated("x", 10<<20), repeated(". ", 10<<20), repeated("\xff", 10<<20)} {
		if _, err := s.Say(t.Context(), Request{Text: text + text}); err == nil {
			t.Error("20 MiB were taken, where 12 are allowed")
		}
		p, err := s.Say(t.Context(), Request{Text: text})
		if err == nil {
			p.Close() // the speech would take hours
		} else if err.Error() != errSilent.Error() {
			t.Errorf("Say of 10 MiB %.4q: %v", text, err)
		}
	}
}

func FuzzSay(f *testing.F) {
	for _, unit := range nasty {
		f.Add(repeated(unit, 40), "word", "/ə/", false)
	}
	f.Add("<speak>a<break time='1s'/><say-as interpret-as='date'>1999</say-as></speak>", "a", "b", true)
	s := fakeService(f, &fakeVoice{timed: true}, Config{MaxText: 4096})
	f.Fuzz(func(t *testing.T, text, word, reading string, ssml bool) {
		if len(text) > 2000 {
			return
		}
		r := Request{Text: text, SSML: ssml, Format: FormatPCM, Whole: true, Timestamps: true, Pause: PauseNone}
		if word != "" {
			r.Lexicon = map[string]string{word: reading}
		}
		p, err := s.Say(context.Background(), r)
		var fe *FieldError
		if errors.As(err, &fe) {
			return
		}
		if err != nil {
			t.Fatalf("Say(%+v): %v", r, err)
		}
		b := readAll(t, p)
		length := p.Timings().Audio
		if len(b) == 0 || len(b)%2 != 0 {
			t.Errorf("Say(%+v) gave %d bytes", r, len(b))
		}
		inside(t, "word", p.Captions().Words, length)
	})
}
