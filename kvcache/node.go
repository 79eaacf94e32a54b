package kvcache

// node is an edge of the radix tree together with its lower end: a run of
// tokens, each with the cell that holds its keys and values.
//
// Two children of a node may begin with the same token: sequences that run
// side by side compute the same token twice before either could have shared
// it. Such twins are merged when one of them goes idle.
type node struct {
	parent   *node
	children []*node
	run      []Token
	cells    []int32     // cells[i] holds run[i]
	end      int         // position behind the last token of run
	seqs     []*sequence // sequences that end exactly here
	// below counts the sequences that end here or further down, live the
	// running ones among them: a node with below == 0 must not exist, one with
	// live > 0 must not be evicted.
	below, live int
	// hits counts requests that took this node over; worth is its eviction
	// priority, set when it was last used with the clock at base (see evict.go).
	hits        int
	worth, base float64
	saved       bool // a copy of the path is held elsewhere (see saved.go)
}

func (n *node) start() int { return n.end - len(n.run) }

// lastCell is the cell of the last token on the path, −1 at a root.
func (n *node) lastCell() int32 {
	for ; n != nil; n = n.parent {
		if k := len(n.cells); k > 0 {
			return n.cells[k-1]
		}
	}
	return -1
}

// count adds to below and live on the whole path to the root.
func (n *node) count(below, live int) {
	for ; n != nil; n = n.parent {
		n.below += below
		n.live += live
	}
}

// common returns the length of the common prefix of two runs.
func common(a, b []Token) int {
	if len(a) > len(b) {
		a = a[:len(b)]
	}
	for i, t := range a {
		if b[i] != t {
			return i
		}
	}
	return len(a)
}

// descend follows tokens from n and returns the deepest node reached and how
// many of tokens are held; the last part may end inside the node's run. Where
// twins begin alike, the one that leads furthest is taken.
func (n *node) descend(tokens []Token) (*node, int) {
	at, held := n, 0
	for held < len(tokens) {
		var first *node
		twins := false
		for _, c := range at.children {
			if c.run[0] == tokens[held] {
				if first != nil {
					twins = true
					break
				}
				first = c
			}
		}
		switch {
		case first == nil:
			return at, held
		case twins:
			deepest, more := at.furthest(tokens[held:])
			return deepest, held + more
		}
		k := common(first.run, tokens[held:])
		at, held = first, held+k
		if k < len(first.run) {
			break
		}
	}
	return at, held
}

// furthest is descend for a node some of whose children begin alike.
func (n *node) furthest(tokens []Token) (best *node, length int) {
	best = n
	for _, c := range n.children {
		if c.run[0] != tokens[0] {
			continue
		}
		at, k := c, common(c.run, tokens)
		if k == len(c.run) {
			deeper, more := c.descend(tokens[k:])
			at, k = deeper, k+more
		}
		if k > length {
			best, length = at, k
		}
	}
	return best, length
}

// split cuts n's run so that its first k tokens become a node of their own
// above it, and returns that upper node. 0 < k < len(n.run).
func (n *node) split(k int) *node {
	up := &node{
		parent: n.parent, children: []*node{n},
		run: n.run[:k:k], cells: n.cells[:k:k], end: n.start() + k,
		below: n.below, live: n.live, hits: n.hits, worth: n.worth, base: n.base, saved: n.saved,
	}
	n.parent.replace(n, up)
	n.parent = up
	n.run, n.cells = n.run[k:], n.cells[k:]
	return up
}

// replace puts b in the place of child a.
func (n *node) replace(a, b *node) {
	for i, c := range n.children {
		if c == a {
			n.children[i] = b
			return
		}
	}
	panic("kvcache: child not found in its parent")
}

// drop removes child c.
func (n *node) drop(c *node) {
	for i, x := range n.children {
		if x == c {
			last := len(n.children) - 1
			n.children[i] = n.children[last]
			n.children[last] = nil
			n.children = n.children[:last]
			return
		}
	}
	panic("kvcache: child not found in its parent")
}

// tokens writes the path's tokens from the root to n's end into dst.
func (n *node) tokens(dst []Token) []Token {
	if n == nil {
		return dst
	}
	return append(n.parent.tokens(dst), n.run...)
}
