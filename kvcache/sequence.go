package kvcache

import (
	"errors"
	"fmt"
)

// idleAt returns an idle sequence that ends exactly at n, or nil.
func idleAt(n *node) *sequence {
	for _, s := range n.seqs {
		if !s.running {
			return s
		}
	}
	return nil
}

// anySequence returns a sequence whose path goes through n.
func (n *node) anySequence() *sequence {
	for len(n.seqs) == 0 {
		n = n.children[0]
	}
	return n.seqs[0]
}

// disorderedPath tells whether the cells on the path to n are out of order.
func (t *Tree) disorderedPath(n *node) bool {
	next := int32(1<<31 - 1)
	for ; n != nil; n = n.parent {
		for i := len(n.cells) - 1; i >= 0; i-- {
			if n.cells[i] >= next {
				return true
			}
			next = n.cells[i]
		}
	}
	return false
}

// move makes s end at another node of the same path (an ancestor or a new
// child) and keeps the counts; nodes left without a sequence are removed.
func (t *Tree) move(s *sequence, to *node) {
	live := 0
	if s.running {
		live = 1
	}
	from := s.node
	for i, x := range from.seqs {
		if x == s {
			last := len(from.seqs) - 1
			from.seqs[i] = from.seqs[last]
			from.seqs[last] = nil
			from.seqs = from.seqs[:last]
			break
		}
	}
	if to != nil {
		to.seqs = append(to.seqs, s)
		to.count(1, live)
	}
	from.count(-1, -live)
	s.node = to
	t.sweep(from, s.space)
}

// sweep removes nodes from n upwards that no sequence holds any more and frees
// their cells.
func (t *Tree) sweep(n *node, space string) {
	for n.parent != nil && n.below == 0 {
		for _, c := range n.cells {
			t.set.put(c)
		}
		up := n.parent
		up.drop(n)
		n = up
	}
	t.sweepRoot(space)
}

func (t *Tree) sweepRoot(space string) {
	if root := t.roots[space]; root != nil && root.below == 0 && root.live == 0 {
		delete(t.roots, space)
	}
}

// cut makes s end at position n, which lies on its path; memory has been told.
func (t *Tree) cut(s *sequence, n int) {
	at := s.node
	if len(at.children) == 0 && len(at.seqs) == 1 && at.start() < n {
		// The run is the sequence's alone: shorten it in place.
		k := n - at.start()
		for _, c := range at.cells[k:] {
			t.set.put(c)
		}
		at.run, at.cells, at.end = at.run[:k], at.cells[:k], n
		return
	}
	for at.parent != nil && at.start() >= n {
		at = at.parent
	}
	if n < at.end {
		at = at.split(n - at.start())
	}
	t.move(s, at)
	// What was cut off may have been the only child: its upper part is then
	// the sequence's own again and needs no node of its own, but keeping the
	// border costs nothing and Extend opens a new child only when it must.
}

// forget removes an idle sequence with everything it alone holds.
func (t *Tree) forget(s *sequence) error {
	err := t.mem.SeqRemove(s.id, 0, -1)
	t.move(s, nil)
	t.ids = append(t.ids, s.id)
	if err != nil {
		return fmt.Errorf("kvcache: removing sequence %d: %w", s.id, err)
	}
	return nil
}

// minMerge is the shortest run that is worth two calls to merge.
const minMerge = 16

// merge looks for a twin of the tokens that the idle sequence s alone holds
// and shares its cells instead, as far as they are equal.
func (t *Tree) merge(s *sequence) error {
	top := s.node // the uppermost node that s alone holds
	if top.below > 1 {
		return t.forget(s) // others hold every token of it
	}
	for top.parent.parent != nil && top.parent.below == 1 {
		top = top.parent
	}
	t.path = s.node.tokens(t.path[:0])
	private := t.path[top.start():]
	var twin *node
	held := 0
	for _, c := range top.parent.children {
		if c == top || c.run[0] != private[0] {
			continue
		}
		n, k := c, common(c.run, private)
		if k == len(c.run) {
			deeper, more := c.descend(private[k:])
			n, k = deeper, k+more
		}
		if k > held {
			twin, held = n, k
		}
	}
	if twin == nil || held < minMerge && held < len(private) {
		return nil
	}
	if held == len(private) {
		t.stats.MergedTokens += int64(held)
		return t.forget(s)
	}
	return t.graft(s, top, twin, held)
}

// graft lets s share the first k tokens below top with twin and hangs the rest
// of its private run below twin's, if the cells stay in order by that.
func (t *Tree) graft(s *sequence, top, twin *node, k int) error {
	from := top.start()
	for twin.start() >= from+k {
		twin = twin.parent
	}
	// The private part is a chain; find the node and index of token k in it.
	rest := s.node
	for rest.start() > from+k {
		rest = rest.parent
	}
	next := int32(0)
	if i := from + k - rest.start(); i < len(rest.cells) {
		next = rest.cells[i]
	}
	if twin.cells[from+k-1-twin.start()] >= next {
		return nil
	}
	if err := t.mem.SeqRemove(s.id, Pos(from), Pos(from+k)); err != nil {
		return fmt.Errorf("kvcache: merging sequence %d: %w", s.id, err)
	}
	if err := t.mem.SeqCopy(twin.anySequence().id, s.id, Pos(from), Pos(from+k)); err != nil {
		// What is left has a hole: nobody may go on from it.
		return errors.Join(fmt.Errorf("kvcache: merging sequence %d: %w", s.id, err), t.forget(s))
	}
	if twin.end > from+k {
		twin = twin.split(from + k - twin.start())
	}
	tokens := s.node.tokens(nil)[from+k:]
	var cells []int32
	for n := s.node; n.end > from; n = n.parent {
		lo := max(0, from+k-n.start())
		if lo < len(n.cells) {
			cells = append(append([]int32{}, n.cells[lo:]...), cells...)
			n.run, n.cells = n.run[:lo], n.cells[:lo] // not freed by the sweep below
		}
	}
	child := &node{parent: twin, run: tokens, cells: cells, end: twin.end + len(tokens), hits: s.node.hits, worth: s.node.worth, base: s.node.base, saved: s.node.saved}
	twin.children = append(twin.children, child)
	t.move(s, child)
	s.disordered = t.disorderedPath(child)
	t.stats.MergedTokens += int64(k)
	return nil
}
