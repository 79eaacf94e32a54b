package text

import (
	"strings"
	"unicode"
)

// Normaliser writes text the way it is said. It may be used by any goroutine.
type Normaliser struct {
	english bool
	british bool
}

// NewNormaliser makes one for a language ("en-US", "de"). Numbers and
// abbreviations are written out for English; other languages are left to
// espeak-ng, which knows theirs, and only cleared of markup.
func NewNormaliser(language string) *Normaliser {
	low := strings.ToLower(language)
	return &Normaliser{
		english: low == "en" || strings.HasPrefix(low, "en-") || strings.HasPrefix(low, "en_"),
		british: strings.HasPrefix(low, "en-gb") || strings.HasPrefix(low, "en_gb"),
	}
}

// Normalise gives the spoken form of one piece of text. The result holds
// letters, spaces and clause marks; for English no digits.
func (n *Normaliser) Normalise(s string) string {
	s = tidy(strings.ToValidUTF8(s, " "))
	s = stripMarkdown(s)
	if !n.english {
		return squeeze(addresses(s))
	}
	if strings.ContainsAny(s, ":@.") {
		s = addresses(s)
	}
	s = operators.Replace(s)
	if hasDigit(s) {
		for k, v := range fixed {
			s = replaceWord(s, k, v)
		}
		s = n.digits(s)
	}
	s = abbreviate(s)
	s = names(s)
	return squeeze(speakSymbols(s))
}

// operators are marks of several characters.
var operators = strings.NewReplacer("->", " to ", "=>", " gives ", ">=", " is at least ", "<=", " is at most ", "!=", " is not equal to ",
	"==", " equals ", "&&", " and ", "||", " or ", "+/-", "±", "...", "…", " -- ", ", ", " --- ", ", ")

func hasDigit(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= '0' && r <= '9' || symbolNames[r] != "" && r > 0x7f || isScript(r) })
}

// squeeze joins white space, and drops space before marks.
func squeeze(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range s {
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		if space && b.Len() > 0 && !strings.ContainsRune(",.;:!?…", r) {
			b.WriteByte(' ')
		}
		space = false
		b.WriteRune(r)
	}
	return b.String()
}

// speakSymbols says the symbols that are left by name, and drops those that
// only decorate.
func speakSymbols(s string) string {
	rs := []rune(s)
	var b strings.Builder
	b.Grow(len(s))
	at := func(i int) rune {
		if i < 0 || i >= len(rs) {
			return ' '
		}
		return rs[i]
	}
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	quoted := false // inside single quotes
	for i, r := range rs {
		p, q := at(i-1), at(i+1)
		switch {
		case r == '-':
			if word(p) && word(q) {
				b.WriteByte('-')
			} else if unicode.IsSpace(p) && unicode.IsSpace(q) {
				b.WriteString(", ")
			} else {
				b.WriteByte(' ')
			}
		case r == '/':
			if word(p) && word(q) {
				b.WriteString(" slash ")
			} else {
				b.WriteByte(' ')
			}
		case r == '_' || r == '\\' || r == '|':
			b.WriteByte(' ')
		case r == '*' || r == '~' || r == '^' || r == '#' || r == '<' || r == '>' || r == '=' || r == '+':
			if (word(p) || word(at(i-2)) || p == ')') && (word(q) || word(at(i+2)) || q == '(') && !(p == r || q == r) || r == '+' && word(p) {
				b.WriteString(" " + binaryName(r) + " ")
			} else {
				b.WriteByte(' ')
			}
		case symbolNames[r] != "":
			b.WriteString(" " + symbolNames[r] + " ")
		case r == '"' || r == '[' || r == ']' || r == '{' || r == '}' || r == '`' || r == '‹' || r == '›':
			b.WriteByte(' ')
		case r == '\'':
			if word(p) && (word(q) || !quoted) {
				b.WriteRune(r)
			} else if word(q) {
				quoted = true
				b.WriteByte(' ')
			} else {
				quoted = false
			}
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func binaryName(r rune) string {
	switch r {
	case '*':
		return "times"
	case '#':
		return "hash"
	}
	return symbolNames[r]
}
