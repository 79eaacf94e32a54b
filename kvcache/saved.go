package kvcache

// restoring is what bringing a saved token back costs, in parts of computing it
// again: a saved run is the first to leave the cells.
const restoring = 0.1

// price is what losing the cells of n costs.
func (n *node) price() float64 {
	if n.saved {
		return n.base + (n.worth-n.base)*restoring
	}
	return n.worth
}

// cheaper tells whether s should lose its cells before o.
func (s *sequence) cheaper(o *sequence) bool {
	a, b := s.node.price(), o.node.price()
	return a < b || a == b && s.used < o.used
}

// Unsaved returns the idle sequence that would be evicted first of those whose
// tokens are not held elsewhere, or the one that would be evicted last; false =
// there is none.
func (t *Tree) Unsaved(last bool) (Seq, bool) {
	var found *sequence
	for i := range t.seqs {
		s := &t.seqs[i]
		if s.node == nil || s.running || s.node.saved || len(s.node.children) > 0 {
			continue
		}
		if found == nil || s.cheaper(found) != last {
			found = s
		}
	}
	if found == nil {
		return 0, false
	}
	return found.id, true
}

// Spare counts the cells that are free or could be evicted without a loss: what
// only idle sequences hold that are saved.
func (t *Tree) Spare() int {
	n := t.set.free
	for i := range t.seqs {
		s := &t.seqs[i]
		if s.node == nil || s.running || len(s.node.children) > 0 || len(s.node.seqs) > 1 {
			continue
		}
		for at := s.node; at.parent != nil && at.saved && at.below == 1; at = at.parent {
			n += len(at.run)
		}
	}
	return n
}

// Path appends the tokens of a sequence, running or idle, to dst, and returns its
// namespace too.
func (t *Tree) Path(id Seq, dst []Token) (space string, tokens []Token) {
	s := &t.seqs[id]
	return s.space, s.node.tokens(dst)
}

// Saved notes that the first n tokens of a sequence are held elsewhere.
func (t *Tree) Saved(id Seq, n int) {
	for at := t.seqs[id].node; at != nil && at.parent != nil; at = at.parent {
		if at.end <= n {
			at.saved = true
		}
	}
}
