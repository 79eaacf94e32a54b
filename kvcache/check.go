package kvcache

import "fmt"

// Check verifies the whole structure and says what is wrong: every cell is
// free or held once, counts agree with the sequences, no node is empty or
// without a sequence, and the cells of ordered sequences ascend. It is called
// after every change under the invariants build tag, and by tests.
func (t *Tree) Check() error {
	seen := make([]bool, t.set.size)
	held, ends := 0, 0
	var walk func(n *node, space string) (below, live int, err error)
	walk = func(n *node, space string) (below, live int, err error) {
		if n.parent == nil && (n.end != 0 || len(n.run) != 0) {
			return 0, 0, fmt.Errorf("kvcache: root %q holds tokens", space)
		}
		if len(n.run) != len(n.cells) {
			return 0, 0, fmt.Errorf("kvcache: %d tokens in %d cells", len(n.run), len(n.cells))
		}
		if n.parent != nil && len(n.run) == 0 {
			return 0, 0, fmt.Errorf("kvcache: empty node at %d", n.end)
		}
		if n.parent != nil && n.start() != n.parent.end {
			return 0, 0, fmt.Errorf("kvcache: node starts at %d, its parent ends at %d", n.start(), n.parent.end)
		}
		for _, c := range n.cells {
			if c < 0 || int(c) >= t.set.size || seen[c] || t.set.isFree(c) {
				return 0, 0, fmt.Errorf("kvcache: cell %d is held twice, free or out of range", c)
			}
			seen[c] = true
			held++
		}
		for _, s := range n.seqs {
			if s.node != n || s.space != space {
				return 0, 0, fmt.Errorf("kvcache: sequence %d is not where its node is", s.id)
			}
			ends++
			below++
			if s.running {
				live++
			}
			if !s.disordered && t.disorderedPath(n) {
				return 0, 0, fmt.Errorf("kvcache: sequence %d has cells out of order", s.id)
			}
		}
		for _, c := range n.children {
			if c.parent != n {
				return 0, 0, fmt.Errorf("kvcache: child with another parent")
			}
			b, l, err := walk(c, space)
			if err != nil {
				return 0, 0, err
			}
			below, live = below+b, live+l
		}
		if n.below != below || n.live != live {
			return 0, 0, fmt.Errorf("kvcache: node at %d counts %d/%d sequences, has %d/%d", n.end, n.below, n.live, below, live)
		}
		if n.parent != nil && below == 0 {
			return 0, 0, fmt.Errorf("kvcache: node at %d without a sequence", n.end)
		}
		return below, live, nil
	}
	for space, root := range t.roots {
		if _, _, err := walk(root, space); err != nil {
			return err
		}
	}
	taken := 0
	for i := range t.seqs {
		if t.seqs[i].node != nil {
			taken++
		}
	}
	switch {
	case held != t.set.size-t.set.free:
		return fmt.Errorf("kvcache: runs hold %d cells, %d are marked used", held, t.set.size-t.set.free)
	case taken != ends:
		return fmt.Errorf("kvcache: %d sequences in use, %d in the tree", taken, ends)
	case taken+len(t.ids) != len(t.seqs):
		return fmt.Errorf("kvcache: %d ids in use and %d free of %d", taken, len(t.ids), len(t.seqs))
	}
	return nil
}
