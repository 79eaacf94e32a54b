package tts

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"repartee/tts/audio"
	"repartee/tts/voice"
)

// Span is a piece of what is said and when it is heard, counted from the
// beginning of the audio.
type Span struct {
	Text       string
	Start, End time.Duration
}

// Captions say when what is heard. Words are those of the text as it was written,
// Phonemes the units that the voice read.
type Captions struct {
	Clauses, Words, Phonemes []Span
}

// append adds what was said behind it.
func (c *Captions) append(more Captions) {
	c.Clauses = append(c.Clauses, more.Clauses...)
	c.Words = append(c.Words, more.Words...)
	c.Phonemes = append(c.Phonemes, more.Phonemes...)
}

// captioner gathers the captions of a speech clause by clause.
type captioner struct {
	made  Captions
	text  string // of the clause under way
	words []Span // of that clause, as they were read
}

// line takes in what a voice says of one line: its marks, counted from the line's
// first sample as the voice made it, whose place in the audio base and trim know.
func (c *captioner) line(l line, marks []voice.Mark, base, rate int, trim *audio.Trimmer) {
	if l.text != "" {
		c.text = l.text
	}
	place := func(d time.Duration) time.Duration {
		n := base + trim.Place(int(d.Seconds()*float64(rate)))
		return time.Duration(float64(n) / float64(rate) * float64(time.Second))
	}
	last := -1
	for _, m := range marks {
		s := Span{m.Unit, place(m.Start), place(m.End)}
		c.made.Phonemes = append(c.made.Phonemes, s)
		if m.Word != last {
			c.words = append(c.words, s)
			last = m.Word
			continue
		}
		w := &c.words[len(c.words)-1]
		w.Text, w.End = w.Text+m.Unit, s.End
	}
	if l.more || len(c.words) == 0 {
		return
	}
	written := strings.TrimSpace(directive.ReplaceAllString(c.text, ""))
	c.made.Clauses = append(c.made.Clauses, Span{written, c.words[0].Start, c.words[len(c.words)-1].End})
	c.made.Words = append(c.made.Words, spread(strings.Fields(written), c.words)...)
	c.text, c.words = "", nil
}

// directive is what a text may hold that is not said.
var directive = regexp.MustCompile(`\[pause:[^\]]*\]`)

// take returns the captions since the last call.
func (c *captioner) take() Captions {
	m := c.made
	c.made = Captions{}
	return m
}

// spread places written words on those that were read. Mostly there are as many;
// where a number was read as several words, or two words as one, neighbours share
// the time in proportion.
func spread(written []string, read []Span) []Span {
	written = slices.DeleteFunc(written, func(w string) bool {
		return !strings.ContainsFunc(w, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) })
	})
	if len(written) == 0 || len(read) == 0 {
		return nil
	}
	out := make([]Span, len(written))
	n, k := len(written), len(read)
	for i, w := range written {
		// The word covers the read words from i·k/n to (i+1)·k/n.
		a, b := i*k, (i+1)*k
		first, last := read[a/n], read[(b-1)/n]
		part := func(s Span, num int) time.Duration { return time.Duration(num) * (s.End - s.Start) / time.Duration(n) }
		out[i] = Span{w, first.Start + part(first, a%n), last.Start + part(last, (b-1)%n+1)}
	}
	return out
}
