package llama

import (
	"fmt"
	"math"
)

// checkBeginnings bounds the ways in which any rule can begin, which is what the
// library holds and compares at every character, and the paths it walks to look
// for left recursion. A rule that can begin with itself is refused.
func (g *gbnf) checkBeginnings() error {
	nullable := g.nullable()
	const open, done = 1, 2
	state := make([]int8, len(g.rules))
	ways := make([]float64, len(g.rules))
	var visit func(i, depth int) error
	visit = func(i, depth int) error {
		switch state[i] {
		case open:
			return g.about(i, "it can begin with itself (left recursion)")
		case done:
			return nil
		}
		if depth > 8*g.budget.GrammarDepth {
			return g.about(i, "rules that begin with rules are deeper than %d", 8*g.budget.GrammarDepth)
		}
		state[i] = open
		total := 1.0
		for _, alt := range g.rules[i].alts {
			for _, it := range alt {
				w, empty := 1.0, it.least == 0
				if it.rule >= 0 {
					if err := visit(it.rule, depth+1); err != nil {
						return err
					}
					w = ways[it.rule]
					if nullable[it.rule] {
						if empty = true; it.most < 0 && g.bare(it.rule) {
							return g.about(i, "what can be empty is repeated without end (left recursion)")
						}
						w *= float64(max(it.most, 1))
					}
				}
				if total += w; !empty {
					break
				}
			}
		}
		if ways[i] = total; total > float64(g.budget.Beginnings) || math.IsInf(total, 0) {
			return g.about(i, "it can begin in more than %d ways", g.budget.Beginnings)
		}
		state[i] = done
		return nil
	}
	for i := range g.rules {
		if err := visit(i, 0); err != nil {
			return err
		}
	}
	return nil
}

// nullable says of every rule whether it can be empty.
func (g *gbnf) nullable() []bool {
	empty := make([]bool, len(g.rules))
	for changed := true; changed; {
		changed = false
		for i := len(g.rules) - 1; i >= 0; i-- { // groups stand behind their users
			if empty[i] {
				continue
			}
			for _, alt := range g.rules[i].alts {
				all := true
				for _, it := range alt {
					all = all && (it.least == 0 || it.rule >= 0 && empty[it.rule])
				}
				if all {
					empty[i], changed = true, true
					break
				}
			}
		}
	}
	return empty
}

// bare says whether the library sees at once that a rule can be empty: one of its
// alternatives holds nothing. Repeated without end it would be left recursive.
func (g *gbnf) bare(i int) bool {
	r := &g.rules[i]
	for _, alt := range r.alts {
		if len(alt) == 0 {
			return true
		}
		if !r.repeated {
			continue
		}
		all := true
		for _, it := range alt {
			all = all && (it.least == 0 || it.rule >= 0 && g.bare(it.rule))
		}
		if all {
			return true
		}
	}
	return false
}

func (g *gbnf) about(rule int, format string, args ...any) error {
	return fmt.Errorf("line %d, rule %q: %s", g.rules[rule].line, g.rules[rule].name, fmt.Sprintf(format, args...))
}
