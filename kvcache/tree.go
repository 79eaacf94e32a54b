package kvcache

import (
	"cmp"
	"errors"
	"fmt"

	"repartee/internal/invariants"
)

// Token is an id in the model's vocabulary.
type Token = int32

// Pos is a position in a sequence, counted from 0.
type Pos = int32

// Seq is a sequence id of the context, 0 ≤ id < Config.Sequences.
type Seq = int32

// Memory is the sequence memory that the tree commands; ranges are [p0, p1),
// p1 = −1 means to the end. Copying shares cells, it does not move data; dst ends
// at p0, or holds everything but p0 … p1−1.
type Memory interface {
	SeqCopy(src, dst Seq, p0, p1 Pos) error
	SeqRemove(seq Seq, p0, p1 Pos) error
}

// ErrFull means that the cells or sequence ids wanted are all in use by
// running sequences: nothing idle is left to evict.
var ErrFull = errors.New("kvcache: no cells left")

// ErrNoSequence means that every sequence id belongs to a running sequence.
var ErrNoSequence = errors.New("kvcache: no sequence id left")

// Config is the size of a tree.
type Config struct {
	Cells     int // KV cells of the context
	Sequences int // sequence ids of the context
	// Ordered never lets the cells of a sequence stop ascending with the position:
	// idle runs are evicted and, where the Memory is a Mover, the end of a sequence
	// is moved. Extend may then be called for a sequence only when what it was
	// extended by before has been computed or truncated.
	Ordered bool
	// CellCost tells what recomputing one token at a depth costs, in any unit;
	// nil = 1 + depth/2000, the shape measured on CPUs.
	CellCost func(depth int) float64
}

// Tree is a radix tree over the tokens in a KV cache.
type Tree struct {
	mem   Memory
	cfg   Config
	set   *cellSet
	roots map[string]*node
	seqs  []sequence
	ids   []Seq // free sequence ids
	clock float64
	tick  int64
	stats Stats
	path  []Token // scratch
}

// sequence is one sequence id's state.
type sequence struct {
	id      Seq
	node    *node // nil = the id is free
	space   string
	running bool
	// disordered is set when a cell had to be taken below its predecessor's:
	// answers may then depend on what else is in the buffer.
	disordered bool
	used       int64 // tick of the last use
}

// Stats counts what a tree holds and did.
type Stats struct {
	Cells, Used    int // KV cells in all, and those that hold tokens
	Running, Idle  int // sequences
	Nodes          int
	EvictedTokens  int64
	EvictedLeaves  int64
	MergedTokens   int64 // twins found when a sequence went idle
	MovedTokens    int64 // moved into other cells to keep the order
	DisorderedSeqs int64 // sequences that lost the ascending order of cells
}

// New makes the tree of an empty memory.
func New(mem Memory, cfg Config) *Tree {
	if cfg.CellCost == nil {
		cfg.CellCost = func(depth int) float64 { return 1 + float64(depth)/2000 }
	}
	t := &Tree{mem: mem, cfg: cfg, set: newCellSet(cfg.Cells), roots: map[string]*node{}, seqs: make([]sequence, cfg.Sequences)}
	for id := cfg.Sequences - 1; id >= 0; id-- {
		t.seqs[id].id = Seq(id)
		t.ids = append(t.ids, Seq(id))
	}
	return t
}

// Match returns how many leading tokens are held in the namespace.
func (t *Tree) Match(space string, tokens []Token) int {
	root := t.roots[space]
	if root == nil {
		return 0
	}
	_, held := root.descend(tokens)
	return held
}

// Open starts a running sequence that takes over the longest held prefix of
// tokens, at most limit of them, and returns its id and the prefix's length.
// The caller computes the rest and reports it by Extend. An idle sequence that
// ends exactly there is gone on with; else its cells are shared.
func (t *Tree) Open(space string, tokens []Token, limit int) (Seq, int, error) {
	root := t.roots[space]
	if root == nil {
		root = &node{}
		t.roots[space] = root
	}
	at, held := root.descend(tokens)
	held = min(held, limit)
	for at != root && at.start() >= held {
		at = at.parent
	}
	if s := idleAt(at); s != nil && at.end == held && at != root {
		s.running, s.used = true, t.now()
		at.hits++
		at.count(0, 1)
		t.verify()
		return s.id, held, nil
	}
	at.count(0, 1) // pinned while an id is looked for
	id, err := t.takeID()
	at.count(0, -1)
	if err != nil {
		t.sweepRoot(space)
		return 0, 0, err
	}
	if held > 0 {
		if err := t.mem.SeqCopy(at.anySequence().id, id, 0, Pos(held)); err != nil {
			t.ids = append(t.ids, id)
			return 0, 0, fmt.Errorf("kvcache: sharing %d tokens: %w", held, err)
		}
		if held < at.end {
			at = at.split(held - at.start())
		}
		at.hits++
	}
	s := &t.seqs[id]
	*s = sequence{id: id, node: at, space: space, running: true, used: t.now()}
	s.disordered = t.disorderedPath(at)
	at.seqs = append(at.seqs, s)
	at.count(1, 1)
	t.verify()
	return id, held, nil
}

// Extend gives cells to tokens that the sequence is about to compute, evicting
// idle runs when needed, and appends them to cells: one per token, ascending
// and above the cells of the sequence's earlier tokens as long as there is
// room. With ErrFull the sequence is what it was. Another error means that it
// could not be moved and was cut: Len tells where it ends.
func (t *Tree) Extend(id Seq, tokens []Token, cells []int32) ([]int32, error) {
	if len(tokens) == 0 {
		return cells, nil
	}
	s := t.running(id)
	if t.set.free < len(tokens) && !t.evict(len(tokens)) {
		return cells, ErrFull
	}
	if t.cfg.Ordered {
		if ok, err := t.makeOrder(s, len(tokens)); err != nil || !ok {
			t.verify()
			return cells, cmp.Or(err, ErrFull)
		}
	}
	n := s.node
	if n.parent == nil || len(n.children) > 0 || len(n.seqs) > 1 {
		child := &node{parent: n, end: n.end, worth: n.worth, base: n.base}
		n.children = append(n.children, child)
		t.move(s, child)
		n = child
	}
	last := n.lastCell()
	for _, tok := range tokens {
		c := t.set.take(last + 1)
		if c < 0 {
			c = t.set.take(0)
			if !s.disordered {
				s.disordered = true
				t.stats.DisorderedSeqs++
			}
		}
		last = c
		n.run, n.cells = append(n.run, tok), append(n.cells, c)
		cells = append(cells, c)
	}
	n.end += len(tokens)
	n.saved = false
	t.verify()
	return cells, nil
}

// Truncate drops the tokens of a running sequence from position n on, in the
// tree and in memory.
func (t *Tree) Truncate(id Seq, n int) error {
	s := t.running(id)
	if n >= s.node.end {
		return nil
	}
	if err := t.mem.SeqRemove(id, Pos(n), -1); err != nil {
		return fmt.Errorf("kvcache: truncating sequence %d to %d tokens: %w", id, n, err)
	}
	t.cut(s, n)
	t.verify()
	return nil
}

// Len returns the tokens that a running sequence holds.
func (t *Tree) Len(id Seq) int { return t.running(id).node.end }

// Ordered tells whether the cells of the sequence ascend with the position.
func (t *Tree) Ordered(id Seq) bool { return !t.running(id).disordered }

// Tokens appends the sequence's tokens to dst.
func (t *Tree) Tokens(id Seq, dst []Token) []Token { return t.running(id).node.tokens(dst) }

// Close ends a running sequence. With keep its tokens stay as an idle prefix
// for later requests (merged with an equal one); else they are dropped as far
// as no other sequence shares them.
func (t *Tree) Close(id Seq, keep bool) error {
	s := t.running(id)
	s.running = false
	s.used = t.now()
	s.node.count(0, -1)
	for n := s.node; n != nil; n = n.parent {
		n.base, n.worth = t.clock, t.clock+float64(1+n.hits)*t.cfg.CellCost(n.end)
	}
	var err error
	if keep && s.node.parent != nil {
		err = t.merge(s)
	} else {
		err = t.forget(s)
	}
	t.verify()
	return err
}

// Stats returns the tree's counters.
func (t *Tree) Stats() Stats {
	st := t.stats
	st.Cells, st.Used = t.set.size, t.set.size-t.set.free
	for i := range t.seqs {
		switch {
		case t.seqs[i].node == nil:
		case t.seqs[i].running:
			st.Running++
		default:
			st.Idle++
		}
	}
	return st
}

// Free returns the cells that hold nothing.
func (t *Tree) Free() int { return t.set.free }

// Available returns the cells that hold nothing or only idle tokens: what a
// new sequence could be given.
func (t *Tree) Available() int { return t.set.size - t.LiveCells() }

// LiveCells counts the cells that running sequences hold.
func (t *Tree) LiveCells() int {
	live := 0
	for _, root := range t.roots {
		live += root.liveCells()
	}
	return live
}

func (n *node) liveCells() int {
	if n.live == 0 {
		return 0
	}
	sum := len(n.run)
	for _, c := range n.children {
		sum += c.liveCells()
	}
	return sum
}

func (t *Tree) now() int64 { t.tick++; return t.tick }

func (t *Tree) running(id Seq) *sequence {
	s := &t.seqs[id]
	if s.node == nil || !s.running {
		panic(fmt.Sprintf("kvcache: sequence %d is not running", id))
	}
	return s
}

func (t *Tree) verify() {
	if invariants.Enabled {
		if err := t.Check(); err != nil {
			panic(err)
		}
	}
}
