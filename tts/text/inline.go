package text

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bit is a part of a piece: words, and how long to be silent behind them.
type Bit struct {
	Text  string
	Pause time.Duration // 0 = none was asked for
}

// MaxPause is the longest silence a text may ask for at once.
const MaxPause = 10 * time.Second

var (
	rePause  = regexp.MustCompile(`(?i)\[pause:\s*([0-9.]+)\s*(ms|s)?\]`)
	reInline = regexp.MustCompile(`\[([^\[\]]+)\]\(/([^/()\s][^/()]*)/\)`)
)

// Inline takes the markup for speech out of a piece of plain text:
// "[pause:500ms]" and "[word](/wɜːd/)", the latter only with characters that
// are not ASCII, as else it is a link.
func Inline(s string, table *Phonemes) []Bit {
	if strings.IndexByte(s, '[') < 0 {
		return []Bit{{Text: s}}
	}
	s = reInline.ReplaceAllStringFunc(s, func(m string) string {
		g := reInline.FindStringSubmatch(m)
		if isASCII(g[2]) {
			return m
		}
		return " " + table.Put(g[2]) + " "
	})
	var out []Bit
	for {
		m := rePause.FindStringSubmatchIndex(s)
		if m == nil {
			break
		}
		unit := "ms"
		if m[4] >= 0 {
			unit = strings.ToLower(s[m[4]:m[5]])
		}
		out = append(out, Bit{Text: strings.TrimSpace(s[:m[0]]), Pause: duration(s[m[2]:m[3]] + unit)})
		s = s[m[1]:]
	}
	if s = strings.TrimSpace(s); s != "" || out == nil {
		out = append(out, Bit{Text: s})
	}
	return out
}

func duration(s string) time.Duration {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0
	}
	return min(d, MaxPause)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Lexicon says how words are read. It may be used by any goroutine.
type Lexicon struct {
	re    *regexp.Regexp
	words map[string]string // by lower case
}

// Bounds of a lexicon.
const (
	maxLexicon = 1000
	maxEntry   = 200
)

// NewLexicon makes a lexicon of words and what to read for them; a value
// between slashes is phonemes. Case makes no difference. nil for no words.
func NewLexicon(words map[string]string) (*Lexicon, error) {
	if len(words) == 0 {
		return nil, nil
	}
	if len(words) > maxLexicon {
		return nil, fmt.Errorf("%d words; at most %d", len(words), maxLexicon)
	}
	l := &Lexicon{words: map[string]string{}}
	var alternatives []string
	for k, v := range words {
		k = strings.ToLower(strings.TrimSpace(k))
		if k == "" || len(k) > maxEntry || len(v) > maxEntry || !utf8.ValidString(k+v) {
			return nil, fmt.Errorf("the entry %q must have 1 to %d bytes of UTF-8 on each side", k, maxEntry)
		}
		l.words[k] = v
		alternatives = append(alternatives, regexp.QuoteMeta(k))
	}
	sortLongest(alternatives)
	re, err := regexp.Compile(`(?i)(?:` + strings.Join(alternatives, "|") + `)`)
	if err != nil {
		return nil, fmt.Errorf("the words are too long together: %w", err)
	}
	l.re = re
	return l, nil
}

// Apply replaces the words of s.
func (l *Lexicon) Apply(s string, table *Phonemes) string {
	if l == nil {
		return s
	}
	var b strings.Builder
	at := 0
	for _, m := range l.re.FindAllStringIndex(s, -1) {
		before, _ := utf8.DecodeLastRuneInString(s[:m[0]])
		first, _ := utf8.DecodeRuneInString(s[m[0]:])
		final, _ := utf8.DecodeLastRuneInString(s[:m[1]])
		after, _ := utf8.DecodeRuneInString(s[m[1]:])
		if isWordRune(before) && isWordRune(first) || isWordRune(final) && isWordRune(after) {
			continue
		}
		v, ok := l.words[strings.ToLower(s[m[0]:m[1]])]
		if !ok {
			continue
		}
		b.WriteString(s[at:m[0]])
		if n := len(v); n > 2 && v[0] == '/' && v[n-1] == '/' {
			v = " " + table.Put(v[1:n-1]) + " "
		}
		b.WriteString(v)
		at = m[1]
	}
	b.WriteString(s[at:])
	return b.String()
}

func isWordRune(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
