package kvcache

import "fmt"

// Mover is a Memory that can move a sequence's positions from p0 to its end into
// other cells, one for each; their own cells may be among them.
type Mover interface {
	SeqMove(seq Seq, p0 Pos, cells []int32) error
}

// makeOrder sees to it that need free cells lie above the last cell of s, so
// that the cells of the sequence go on ascending. What s alone holds is moved
// down into holes where that is enough; else idle runs are evicted first. False
// when running sequences leave no way.
func (t *Tree) makeOrder(s *sequence, need int) (bool, error) {
	for !t.set.hasAbove(s.node.lastCell()+1, need) {
		// A move copies everything that s alone holds; one that gains a few cells
		// would have to be made again a few tokens later.
		// So it would with many that run beside it and take the same cells.
		gain := max(need, minGain, s.node.end/8, min(minGain*(len(t.seqs)-len(t.ids)), t.set.size/64))
		switch moved, err := t.moveDown(s, gain); {
		case err != nil:
			return false, err
		case moved:
			continue
		}
		if idle := t.poorest(); idle != nil {
			t.clock = max(t.clock, idle.node.price())
			if !t.trim(idle, max(minCut, need)) {
				return false, nil
			}
			continue
		}
		if t.dropDoubles(s.node) {
			continue
		}
		if moved, err := t.moveDown(s, need); err != nil || !moved {
			return false, err
		}
	}
	return true, nil
}

// minGain is the fewest free cells that a move must bring above a sequence while
// idle runs could be evicted instead: at one token a step, a second of generating.
const minGain = 64

// moveDown moves what s alone holds into the lowest cells above those that it
// shares, if that leaves gain cells above the new last one.
func (t *Tree) moveDown(s *sequence, gain int) (bool, error) {
	mover, ok := t.mem.(Mover)
	if !ok || s.node.parent == nil || s.node.below > 1 {
		return false, nil
	}
	top := s.node // the uppermost node that s alone holds
	for top.parent.parent != nil && top.parent.below == 1 {
		top = top.parent
	}
	n := s.node.end - top.start()
	shared := top.parent.lastCell()
	// The cells of s lie above the shared ones, so they count as free here.
	if !t.set.hasAbove(shared+1, gain) {
		return false, nil
	}
	var chain []*node // from the end upwards
	for at := s.node; at != top.parent; at = at.parent {
		chain = append(chain, at)
		for _, c := range at.cells {
			t.set.put(c)
		}
	}
	cells := make([]int32, 0, n)
	last := shared
	for i := len(chain) - 1; i >= 0; i-- {
		for k := range chain[i].cells {
			last = t.set.take(last + 1)
			chain[i].cells[k] = last
			cells = append(cells, last)
		}
	}
	if err := mover.SeqMove(s.id, Pos(top.start()), cells); err != nil {
		from := top.start()
		if err := t.mem.SeqRemove(s.id, Pos(from), -1); err != nil {
			return false, fmt.Errorf("kvcache: giving up sequence %d from %d on: %w", s.id, from, err)
		}
		t.cut(s, from)
		return false, fmt.Errorf("kvcache: moving sequence %d from %d on: %w", s.id, from, err)
	}
	t.stats.MovedTokens += int64(n)
	return true, nil
}

// dropDoubles forgets the idle sequences that end on the path to n: a sequence
// that runs holds every token of theirs. It tells whether there were any.
func (t *Tree) dropDoubles(n *node) bool {
	dropped := false
	for ; n != nil && n.parent != nil; n = n.parent {
		for s := idleAt(n); s != nil && n.below > 1; s = idleAt(n) {
			if t.forget(s) != nil {
				return false
			}
			dropped = true
		}
	}
	return dropped
}
