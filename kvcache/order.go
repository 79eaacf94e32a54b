package kvcache

import (
	"fmt"
	"slices"
)

// Mover is a Memory that can move positions into other cells, one for each; their
// own cells may be among them.
type Mover interface {
	// SeqMove moves a sequence's positions from p0 to its end, which it holds alone.
	SeqMove(seq Seq, p0 Pos, cells []int32) error
	// RunMove moves the positions from p0 on for all sequences that hold their cells,
	// none of them upwards. After an error the memory is of no use.
	RunMove(seq Seq, p0 Pos, cells []int32) error
}

// makeOrder sees to it that need free cells lie above the last cell of s, so
// that the cells of the sequence go on ascending. What s alone holds is moved
// down into holes where that is enough, and what it shares where that is in the way;
// else idle runs are evicted first. False when running sequences leave no way.
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
		switch lowered, err := t.lowerShared(s, gain); {
		case err != nil:
			return false, err
		case lowered:
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
		moved, err := t.moveDown(s, need)
		if err == nil && !moved {
			moved, err = t.lowerShared(s, need)
		}
		if err != nil || !moved {
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

// lowerShared moves what s shares with others into the lowest cells, for all of them,
// if that leaves gain cells above it. A beginning that many share may have come to lie
// near the end of the buffer, when that was all that was free; everything behind it has
// to lie above, so it would leave them no room however much there is below.
func (t *Tree) lowerShared(s *sequence, gain int) (bool, error) {
	mover, ok := t.mem.(Mover)
	if !ok || t.set.free < gain {
		return false, nil
	}
	var path []*node // shared ones, from the end upwards
	for n := s.node; n.parent != nil; n = n.parent {
		if n.below > 1 {
			path = append(path, n)
		}
	}
	// Where each would lie if all of them were taken up and laid down again.
	for _, n := range path {
		for _, c := range n.cells {
			t.set.put(c)
		}
	}
	laid := make([][]int32, len(path))
	last, lower := int32(-1), false
	for i := len(path) - 1; i >= 0; i-- {
		laid[i] = make([]int32, len(path[i].cells))
		for k, old := range path[i].cells {
			last = t.set.take(last + 1)
			laid[i][k] = last
			lower = lower || last < old
		}
	}
	if !lower || !t.set.hasAbove(last+1, gain) {
		for i, n := range path {
			for k := range n.cells {
				t.set.put(laid[i][k])
			}
		}
		for _, n := range path {
			for _, c := range n.cells {
				t.set.take(c)
			}
		}
		return false, nil
	}
	var err error
	for i := len(path) - 1; i >= 0; i-- {
		n := path[i]
		if slices.Equal(n.cells, laid[i]) {
			continue
		}
		if err == nil {
			err = mover.RunMove(s.id, Pos(n.start()), laid[i])
		}
		n.cells = laid[i]
		t.stats.MovedTokens += int64(len(n.cells))
	}
	if err != nil {
		return false, fmt.Errorf("kvcache: moving what sequence %d shares with others: %w", s.id, err)
	}
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
