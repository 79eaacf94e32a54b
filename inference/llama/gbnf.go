package llama

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// A gbnf reader understands grammar text just well enough to say what the
// library would make of it: how many rules and elements once repetitions are
// written out, how deep groups nest, and how many ways there are to begin a
// rule. The library itself recurses on nesting, takes exponential time on some
// shapes, loops for ever on "{5,3}" and prints what it cannot read; all of that
// is refused here, with a position.
type gbnf struct {
	src      string
	at       int
	budget   Budget
	isToken  func(text string) bool // whether <text> is one token; nil = any
	rules    []gbnfRule
	byName   map[string]int
	elements int
	depth    int
	inside   string // the rule that is being read
	line     int    // of at, counted as it goes
	counted  int    // offset up to which line is counted
}

// gbnfRule is a rule's alternatives, each a sequence of items.
type gbnfRule struct {
	name  string // of a group or repetition: the rule it stands in
	line  int
	alts  [][]gbnfItem
	known bool
	// repeated marks a rule made for what a repetition applies to, which the
	// library has no rule for.
	repeated bool
}

// gbnfItem is a character, class or token (rule < 0) or a reference, least to
// most times; most < 0 is without end.
type gbnfItem struct {
	rule        int
	least, most int
}

// maxRepeat is the library's own bound on repetitions (MAX_REPETITION_THRESHOLD).
const maxRepeat = 2000

// checkGBNF refuses grammars that are wrong, too large or too costly.
func checkGBNF(src string, b Budget, isToken func(string) bool) error {
	g := &gbnf{src: src, budget: b, isToken: isToken, byName: map[string]int{}}
	if err := g.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrGrammar, err)
	}
	return nil
}

func (g *gbnf) check() error {
	switch {
	case strings.TrimSpace(g.src) == "":
		return errors.New("it is empty")
	case len(g.src) > g.budget.GrammarBytes:
		return fmt.Errorf("%d bytes, at most %d are taken", len(g.src), g.budget.GrammarBytes)
	case !utf8.ValidString(g.src) || strings.ContainsRune(g.src, 0):
		return errors.New("it is not UTF-8 text without zero bytes")
	}
	for g.space(true); g.at < len(g.src); g.space(true) {
		if err := g.rule(); err != nil {
			return err
		}
	}
	if i, ok := g.byName["root"]; !ok || !g.rules[i].known {
		return errors.New("it has no rule named root")
	}
	for _, r := range g.rules {
		if !r.known {
			return fmt.Errorf("line %d: rule %q is used and not defined", r.line, r.name)
		}
	}
	return g.checkBeginnings()
}

func (g *gbnf) errorf(format string, args ...any) error {
	near := g.src[g.at:]
	if len(near) > 20 {
		near = strings.ToValidUTF8(near[:20], "") + "…"
	}
	return fmt.Errorf("line %d, near %q: %s", g.lineHere(), near, fmt.Sprintf(format, args...))
}

// lineHere is the line, from 1, that the reader has come to.
func (g *gbnf) lineHere() int {
	g.line += strings.Count(g.src[g.counted:g.at], "\n")
	g.counted = g.at
	return 1 + g.line
}

func (g *gbnf) peek() byte {
	if g.at < len(g.src) {
		return g.src[g.at]
	}
	return 0
}

// space skips blanks and comments, and line ends where they mean nothing.
func (g *gbnf) space(lines bool) {
	for {
		switch c := g.peek(); {
		case c == ' ' || c == '\t' || lines && (c == '\r' || c == '\n'):
			g.at++
		case c == '#':
			for g.at < len(g.src) && g.src[g.at] != '\n' && g.src[g.at] != '\r' {
				g.at++
			}
		default:
			return
		}
	}
}

func (g *gbnf) name() string {
	from := g.at
	for isWord(g.peek()) {
		g.at++
	}
	return g.src[from:g.at]
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-'
}

// symbol is the number of a rule by name, made when it is new.
func (g *gbnf) symbol(name string) int {
	i, ok := g.byName[name]
	if !ok {
		i = g.made(gbnfRule{name: name, line: g.lineHere()})
		g.byName[name] = i
	}
	return i
}

func (g *gbnf) made(r gbnfRule) int {
	g.rules = append(g.rules, r)
	return len(g.rules) - 1
}

func (g *gbnf) rule() error {
	name := g.name()
	if name == "" {
		return g.errorf("a rule's name is expected")
	}
	i := g.symbol(name)
	line := g.lineHere()
	g.inside = name
	g.space(false)
	if !strings.HasPrefix(g.src[g.at:], "::=") {
		return g.errorf("::= is expected behind the name")
	}
	g.at += 3
	g.space(true)
	alts, err := g.alternatives(false)
	if err != nil {
		return err
	}
	if c := g.peek(); c != 0 && c != '\n' && c != '\r' {
		return g.errorf("the end of the line is expected")
	}
	g.rules[i] = gbnfRule{name: name, line: line, alts: alts, known: true}
	if len(g.rules) > g.budget.Rules {
		return g.errorf("more than %d rules", g.budget.Rules)
	}
	return nil
}

func (g *gbnf) alternatives(nested bool) (alts [][]gbnfItem, err error) {
	for {
		seq, err := g.sequence(nested)
		if err != nil {
			return nil, err
		}
		alts = append(alts, seq)
		if g.peek() != '|' {
			return alts, nil
		}
		g.at++
		g.space(true)
	}
}
