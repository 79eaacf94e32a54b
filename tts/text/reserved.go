package text

import "strings"

// Reserved code points stand for phonemes inside a text on its way to the
// voice: the n-th of a table is reservedFirst + n. They are private-use
// characters that no font and no language has; Unreserve keeps them out of what
// comes from outside.
const (
	reservedFirst = 0xF0000
	reservedLast  = 0xFFFFD
)

func isReserved(r rune) bool { return r >= reservedFirst && r <= reservedLast }

// Unreserve drops reserved code points from a text from outside.
func Unreserve(s string) string {
	if !strings.ContainsFunc(s, isReserved) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if isReserved(r) {
			return -1
		}
		return r
	}, s)
}

// Phonemes is a table of pronunciations that stand in a text as reserved code
// points. The zero value is ready; it is for one goroutine.
type Phonemes struct{ table []string }

// Put adds a pronunciation and gives the character that stands for it. When
// the table is full it gives a space.
func (p *Phonemes) Put(ipa string) string {
	for i, s := range p.table {
		if s == ipa {
			return string(rune(reservedFirst + i))
		}
	}
	if len(p.table) >= 4096 {
		return " "
	}
	p.table = append(p.table, ipa)
	return string(rune(reservedFirst + len(p.table) - 1))
}

// Run is a run of words, or one pronunciation out of the table.
type Run struct{ Text, IPA string }

// Runs takes a text apart at its reserved code points.
func (p *Phonemes) Runs(s string) []Run {
	if !strings.ContainsFunc(s, isReserved) {
		return []Run{{Text: s}}
	}
	var out []Run
	start := 0
	put := func(end int) {
		if t := strings.TrimSpace(s[start:end]); t != "" {
			out = append(out, Run{Text: t})
		}
	}
	for i, r := range s {
		if !isReserved(r) {
			continue
		}
		put(i)
		start = i + len(string(r))
		if n := int(r - reservedFirst); n < len(p.table) {
			out = append(out, Run{IPA: p.table[n]})
		}
	}
	put(len(s))
	return out
}
