package kvcache

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Print writes the tree readably: a line for each run with its positions, lowest
// and highest cell, requests that took it over, price, the sequences that end there
// (* = running) and the beginning of its text.
func (t *Tree) Print(w io.Writer, text func([]Token) string) {
	st := t.Stats()
	fmt.Fprintf(w, "%d of %d cells used, %d running and %d idle sequences, clock %.1f\n", st.Used, st.Cells, st.Running, st.Idle, t.clock)
	for i, space := range slices.Sorted(maps.Keys(t.roots)) {
		fmt.Fprintf(w, "namespace %d\n", i) // its name is a client's
		t.roots[space].print(w, 1, text)
	}
}

// shown is how many tokens of a run are printed.
const shown = 12

func (n *node) print(w io.Writer, depth int, text func([]Token) string) {
	slices.SortFunc(n.children, func(a, b *node) int { return cmp.Compare(a.cells[0], b.cells[0]) })
	for _, c := range n.children {
		fmt.Fprintf(w, "%s%d…%d cells %d…%d hits %d price %.1f", strings.Repeat("  ", depth), c.start(), c.end-1, slices.Min(c.cells), slices.Max(c.cells), c.hits, c.price())
		if c.saved {
			fmt.Fprint(w, " saved")
		}
		for _, s := range c.seqs {
			mark := ""
			if s.running {
				mark = "*"
			}
			fmt.Fprintf(w, " seq %d%s", s.id, mark)
		}
		fmt.Fprintf(w, " %q\n", text(c.run[:min(shown, len(c.run))]))
		c.print(w, depth+1, text)
	}
}
