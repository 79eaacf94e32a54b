package llama

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// term is what a repetition applies to.
type term struct {
	items    []gbnfItem
	elements int
	symbols  int // rules the library makes of it
}

func (g *gbnf) sequence(nested bool) (seq []gbnfItem, err error) {
	var last term
	begin := 0 // where last begins in seq
	for {
		var t term
		switch c := g.peek(); {
		case c == '"':
			t, err = g.literal()
		case c == '[':
			t, err = g.class()
		case c == '<' || c == '!':
			t, err = g.token()
		case isWord(c):
			t = term{items: []gbnfItem{{g.symbol(g.name()), 1, 1}}, elements: 1, symbols: 1}
		case c == '(':
			t, err = g.group()
		case c == '.':
			g.at++
			t = term{items: []gbnfItem{{-1, 1, 1}}, elements: 1, symbols: 1}
		case c == '*' || c == '+' || c == '?' || c == '{':
			if len(last.items) == 0 {
				return nil, g.errorf("there is nothing to repeat")
			}
			if last, err = g.repeat(last, nested); err != nil {
				return nil, err
			}
			seq = append(seq[:begin], last.items...)
			g.space(nested)
			continue
		default:
			return seq, nil
		}
		if err != nil {
			return nil, err
		}
		if g.elements += t.elements; g.elements > g.budget.Elements {
			return nil, g.errorf("more than %d elements", g.budget.Elements)
		}
		begin, last = len(seq), t
		seq = append(seq, t.items...)
		g.space(nested)
	}
}

// char skips one character or escape of a literal or class.
func (g *gbnf) char() error {
	if g.peek() != '\\' {
		_, n := utf8.DecodeRuneInString(g.src[g.at:])
		g.at += n
		return nil
	}
	digits := 0
	switch rest := g.src[g.at+1:]; {
	case rest == "":
		return g.errorf("the escape is cut short")
	case rest[0] == 'x':
		digits = 2
	case rest[0] == 'u':
		digits = 4
	case rest[0] == 'U':
		digits = 8
	case !strings.ContainsRune(`trn\"[]-`, rune(rest[0])):
		return g.errorf("unknown escape")
	}
	if g.at+2+digits > len(g.src) {
		return g.errorf("the escape is cut short")
	}
	for _, c := range []byte(g.src[g.at+2 : g.at+2+digits]) {
		if !strings.ContainsRune("0123456789abcdefABCDEF", rune(c)) {
			return g.errorf("%d hexadecimal digits are expected", digits)
		}
	}
	g.at += 2 + digits
	return nil
}

func (g *gbnf) literal() (term, error) {
	t := term{symbols: 1}
	for g.at++; g.peek() != '"'; t.elements++ {
		if g.at >= len(g.src) {
			return t, g.errorf("the text is not closed")
		}
		if err := g.char(); err != nil {
			return t, err
		}
	}
	g.at++
	if t.elements > 0 {
		t.items = []gbnfItem{{-1, 1, 1}} // how long it is does not matter for beginnings
	}
	return t, nil
}

func (g *gbnf) class() (term, error) {
	t := term{symbols: 1}
	if g.at++; g.peek() == '^' {
		g.at++
	}
	for g.peek() != ']' {
		if g.at >= len(g.src) {
			return t, g.errorf("the class is not closed")
		}
		if err := g.char(); err != nil {
			return t, err
		}
		t.elements++
	}
	g.at++
	if t.elements > 0 {
		t.items = []gbnfItem{{-1, 1, 1}}
	}
	return t, nil
}

func (g *gbnf) token() (term, error) {
	if g.peek() == '!' {
		g.at++
	}
	end := strings.IndexByte(g.src[g.at:], '>')
	if g.peek() != '<' || end < 0 {
		return term{}, g.errorf("a token in <> is expected")
	}
	text := g.src[g.at : g.at+end+1]
	if strings.HasPrefix(text, "<[") {
		if _, err := strconv.ParseUint(strings.TrimSuffix(text[2:], "]>"), 10, 32); err != nil || !strings.HasSuffix(text, "]>") {
			return term{}, g.errorf("a token's number is expected")
		}
	} else if g.isToken != nil && !g.isToken(text) {
		return term{}, g.errorf("it is not one token of this vocabulary")
	}
	g.at += end + 1
	return term{items: []gbnfItem{{-1, 1, 1}}, elements: 1, symbols: 1}, nil
}

func (g *gbnf) group() (term, error) {
	if g.depth++; g.depth > g.budget.GrammarDepth {
		return term{}, g.errorf("groups nest deeper than %d", g.budget.GrammarDepth)
	}
	g.at++
	g.space(true)
	before := len(g.rules)
	i := g.made(gbnfRule{name: g.inside, line: g.lineHere()})
	alts, err := g.alternatives(true)
	if err != nil {
		return term{}, err
	}
	g.rules[i].alts, g.rules[i].known = alts, true
	if g.peek() != ')' {
		return term{}, g.errorf(") is expected")
	}
	g.at++
	g.depth--
	return term{items: []gbnfItem{{i, 1, 1}}, elements: 1, symbols: len(g.rules) - before}, nil
}

// repeat applies * + ? {n} {n,} {n,m} to a term, as the library writes it out.
func (g *gbnf) repeat(t term, nested bool) (term, error) {
	least, most := 0, -1
	switch c := g.peek(); c {
	case '+':
		least = 1
	case '?':
		most = 1
	case '{':
		var err error
		if least, most, err = g.bounds(nested); err != nil {
			return t, err
		}
	}
	g.at++
	times := 1
	if most > 0 {
		times = most
	} else if least > 0 {
		times = least
	}
	if t.symbols *= times; t.symbols > maxRepeat {
		return t, g.errorf("what is repeated is repeated more than %d times in all", maxRepeat)
	}
	made := 1
	if most >= 0 {
		made = most - least
	}
	g.elements += t.elements * max(least-1, 0)
	g.elements += (t.elements + 3) * made
	t.elements *= max(times, 1)
	for range made {
		g.rules = append(g.rules, gbnfRule{known: true})
	}
	if g.elements > g.budget.Elements || len(g.rules) > g.budget.Rules {
		return t, g.errorf("more than %d elements or %d rules", g.budget.Elements, g.budget.Rules)
	}
	if most == 0 {
		t.items = nil
		return t, nil
	}
	// The items together, repeated: one reference to a rule that holds them.
	i := g.made(gbnfRule{name: g.inside, line: g.lineHere(), alts: [][]gbnfItem{t.items}, known: true, repeated: true})
	t.items = []gbnfItem{{i, least, most}}
	return t, nil
}

// bounds reads {n}, {n,} and {n,m} up to the closing brace.
func (g *gbnf) bounds(nested bool) (least, most int, err error) {
	number := func() int {
		g.space(nested)
		from := g.at
		for '0' <= g.peek() && g.peek() <= '9' {
			g.at++
		}
		n, err := strconv.Atoi(g.src[from:g.at])
		if err != nil {
			return -1
		}
		return n
	}
	g.at++
	least, most = number(), -1
	if least < 0 || least > maxRepeat {
		return 0, 0, g.errorf("a number of at most %d is expected", maxRepeat)
	}
	g.space(nested)
	switch g.peek() {
	case '}':
		return least, least, nil
	case ',':
		g.at++
		g.space(nested)
		if g.peek() != '}' {
			if most = number(); most < least {
				return 0, 0, g.errorf("a number of at least %d is expected", least)
			}
		}
		if g.space(nested); g.peek() != '}' {
			return 0, 0, g.errorf("} is expected")
		}
		if most > maxRepeat {
			most = -1 // the library's own reading
		}
		return least, most, nil
	}
	return 0, 0, g.errorf(", or } is expected")
}
