package kvcache

// minCut is the fewest tokens cut from a leaf at a time: one crossing into C
// for several cells.
const minCut = 64

// evict frees cells until need are free, cutting the tails of the idle leaves
// that are worth least, and tells whether it succeeded.
//
// The worth of a run follows greedy-dual-size-frequency (Cherkasova 1998): the
// cost to compute a cell again times one plus the number of requests that took
// it over, on top of a clock that rises to the worth of what was evicted last,
// so that old favourites age. What is saved elsewhere costs a part of that. Ties go to the least recently used.
func (t *Tree) evict(need int) bool {
	for t.set.free < need {
		s := t.poorest()
		if s == nil {
			return false
		}
		t.clock = max(t.clock, s.node.price())
		if !t.trim(s, max(minCut, need-t.set.free)) {
			return false
		}
	}
	return true
}

// poorest returns the idle sequence whose leaf is worth least; nil = none.
func (t *Tree) poorest() *sequence {
	var worst *sequence
	for i := range t.seqs {
		s := &t.seqs[i]
		if s.node == nil || s.running || s.node.live > 0 || len(s.node.children) > 0 {
			continue
		}
		if worst == nil || s.cheaper(worst) {
			worst = s
		}
	}
	return worst
}

// trim cuts about want tokens from the idle leaf that s ends at.
func (t *Tree) trim(s *sequence, want int) bool {
	leaf := s.node
	for len(leaf.seqs) > 1 { // idle doubles of the same path
		other := leaf.seqs[0]
		if other == s {
			other = leaf.seqs[1]
		}
		if t.forget(other) != nil {
			return false
		}
	}
	t.stats.EvictedLeaves++
	if want < len(leaf.run) {
		keep := leaf.end - want
		if t.mem.SeqRemove(s.id, Pos(keep), -1) != nil {
			return false
		}
		t.stats.EvictedTokens += int64(want)
		t.cut(s, keep)
		return true
	}
	t.stats.EvictedTokens += int64(len(leaf.run))
	up := leaf.parent
	if up.parent == nil || up.below > 1 { // nothing above is s's alone
		return t.forget(s) == nil
	}
	if t.mem.SeqRemove(s.id, Pos(up.end), -1) != nil {
		return false
	}
	t.cut(s, up.end)
	return true
}

// takeID returns a free sequence id, giving up the idle sequence worth least
// when there is none.
func (t *Tree) takeID() (Seq, error) {
	if len(t.ids) == 0 {
		s := t.poorestID()
		if s == nil {
			return 0, ErrNoSequence
		}
		before := t.set.free
		if err := t.forget(s); err != nil {
			return 0, err
		}
		t.stats.EvictedLeaves++
		t.stats.EvictedTokens += int64(t.set.free - before)
	}
	id := t.ids[len(t.ids)-1]
	t.ids = t.ids[:len(t.ids)-1]
	return id, nil
}

// poorestID is poorest, but for ids: an idle sequence inside the tree counts
// too, and gives up its id without a cell being lost. A leaf is not taken when
// a pinned node depends on it alone.
func (t *Tree) poorestID() *sequence {
	var worst *sequence
	for i := range t.seqs {
		s := &t.seqs[i]
		if s.node == nil || s.running {
			continue
		}
		if s.node.below > 1 {
			return s
		}
		if pinnedAlone(s.node) {
			continue
		}
		if worst == nil || s.cheaper(worst) {
			worst = s
		}
	}
	return worst
}

// pinnedAlone tells whether a node on the path above n is pinned (live without
// a running sequence below it) and would vanish with n's only sequence.
func pinnedAlone(n *node) bool {
	for ; n != nil && n.parent != nil && n.below == 1; n = n.parent {
		if n.live > 0 {
			return true
		}
	}
	return false
}
