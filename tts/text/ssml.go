package text

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

// Span is a run of text with one manner of speaking.
type Span struct {
	Text string
	Manner
	Pause time.Duration // silence behind it; 0 = what End gives
	End   End
}

// maxDepth bounds the elements around a text.
const maxDepth = 64

// IsSSML says that s is meant as SSML.
func IsSSML(s string) bool {
	return strings.HasPrefix(strings.TrimLeftFunc(s, unicode.IsSpace), "<speak")
}

// SSML reads the subset that this package knows: speak, p, s, break, prosody
// (rate, volume, pitch), say-as, sub, phoneme and emphasis. Other elements are passed over
// and their text is read. Pronunciations go to table.
func SSML(s string, table *Phonemes) ([]Span, error) {
	p := &ssml{table: table, manners: []Manner{Natural}}
	d := xml.NewDecoder(strings.NewReader(Unreserve(strings.ToValidUTF8(s, " "))))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("SSML: %w", err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if p.depth++; p.depth > maxDepth {
				return nil, fmt.Errorf("SSML: elements stand more than %d deep", maxDepth)
			}
			if p.depth == 1 && t.Name.Local != "speak" {
				return nil, fmt.Errorf("SSML: the outermost element is %q, want speak", t.Name.Local)
			}
			if err := p.open(t); err != nil {
				return nil, fmt.Errorf("SSML: %w", err)
			}
		case xml.EndElement:
			p.depth--
			p.close(t.Name.Local)
		case xml.CharData:
			if p.silent == 0 {
				p.write(string(t))
			}
		}
	}
	p.flush(EndParagraph, 0)
	return p.spans, nil
}

type ssml struct {
	table   *Phonemes
	spans   []Span
	text    strings.Builder
	manners []Manner // of prosody, the innermost last
	depth   int
	silent  int      // inside an element whose text is replaced
	kinds   []string // of say-as
}

func attrOf(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

func (p *ssml) flush(end End, pause time.Duration) {
	t := strings.TrimSpace(p.text.String())
	p.text.Reset()
	if t == "" {
		if n := len(p.spans); n > 0 {
			last := &p.spans[n-1]
			last.Pause = min(last.Pause+pause, MaxPause)
			last.End = max(last.End, end)
		}
		return
	}
	p.spans = append(p.spans, Span{Text: t, Manner: p.manners[len(p.manners)-1], Pause: pause, End: end})
}

var breaks = map[string]time.Duration{"none": 0, "x-weak": 100 * time.Millisecond, "weak": 200 * time.Millisecond, "": 400 * time.Millisecond,
	"medium": 400 * time.Millisecond, "strong": 700 * time.Millisecond, "x-strong": 1200 * time.Millisecond}

func (p *ssml) open(e xml.StartElement) error {
	switch e.Name.Local {
	case "p", "s":
		p.flush(EndSentence, 0)
	case "break":
		d, ok := breaks[attrOf(e, "strength")]
		if t := attrOf(e, "time"); t != "" {
			v, err := time.ParseDuration(t)
			if err != nil || v < 0 {
				return fmt.Errorf("break time %q; want for example 500ms", t)
			}
			d, ok = min(v, MaxPause), true
		}
		if !ok {
			return fmt.Errorf("break strength %q is not known", attrOf(e, "strength"))
		}
		p.flush(EndCut, d)
	case "prosody":
		m, err := p.manners[len(p.manners)-1].prosody(attrOf(e, "rate"), attrOf(e, "volume"), attrOf(e, "pitch"))
		if err != nil {
			return err
		}
		p.flush(EndCut, 0)
		p.manners = append(p.manners, m)
	case "sub":
		if a := attrOf(e, "alias"); a != "" && p.silent == 0 {
			p.write(" " + a + " ")
		}
		p.silent++
	case "phoneme":
		if ph := attrOf(e, "ph"); ph != "" && p.silent == 0 {
			p.text.WriteString(" " + p.table.Put(ph) + " ")
		}
		p.silent++
	case "say-as":
		p.kinds = append(p.kinds, attrOf(e, "interpret-as"))
	}
	return nil
}

func (p *ssml) close(name string) {
	switch name {
	case "p":
		p.flush(EndParagraph, 0)
	case "s":
		p.flush(EndSentence, 0)
	case "prosody":
		p.flush(EndCut, 0)
		if len(p.manners) > 1 {
			p.manners = p.manners[:len(p.manners)-1]
		}
	case "sub", "phoneme":
		p.silent--
	case "say-as":
		p.kinds = p.kinds[:len(p.kinds)-1]
	}
}

// write appends text in the manner of the innermost say-as.
func (p *ssml) write(s string) {
	if n := len(p.kinds); n > 0 {
		s = sayAs(p.kinds[n-1], s)
	}
	p.text.WriteString(s)
}

func sayAs(manner, s string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	switch manner {
	case "characters", "spell-out", "verbatim":
		var b strings.Builder
		for _, r := range s {
			switch {
			case r >= '0' && r <= '9':
				b.WriteString(ones[r-'0'])
			case unicode.IsLetter(r):
				b.WriteString(strings.ToUpper(string(r)) + ",")
			case symbolNames[r] != "":
				b.WriteString(symbolNames[r])
			}
			b.WriteByte(' ')
		}
		return b.String()
	case "digits", "telephone":
		return groups(s)
	case "ordinal":
		if digits != "" {
			return Ordinal(digits)
		}
	case "cardinal", "number":
		if digits != "" {
			return Decimal(strings.TrimSpace(s))
		}
	case "date":
		if len(digits) == 4 && digits == strings.TrimSpace(s) {
			return Year(digits)
		}
	}
	return s
}
