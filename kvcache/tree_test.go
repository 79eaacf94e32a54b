package kvcache

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// cells is sequence memory as llama.cpp keeps it: a buffer of cells, each with
// a position and the set of sequences that see it. It is the naive model that
// the tree is held against.
type cells struct {
	token []Token
	pos   []Pos
	seqs  []map[Seq]bool
	calls int
}

func newCells(n int) *cells {
	c := &cells{token: make([]Token, n), pos: make([]Pos, n), seqs: make([]map[Seq]bool, n)}
	for i := range c.seqs {
		c.seqs[i] = map[Seq]bool{}
	}
	return c
}

func (c *cells) SeqCopy(src, dst Seq, p0, p1 Pos) error {
	c.calls++
	before := p0 == 0
	for i, s := range c.seqs {
		if s[dst] && c.pos[i] >= p0 && (p1 < 0 || c.pos[i] < p1) {
			return fmt.Errorf("copying %d … %d over position %d of sequence %d", p0, p1, c.pos[i], dst)
		}
		before = before || s[dst] && c.pos[i] == p0-1
	}
	if !before {
		return fmt.Errorf("copying %d … %d into sequence %d leaves a gap before", p0, p1, dst)
	}
	for i, s := range c.seqs {
		if s[src] && c.pos[i] >= p0 && (p1 < 0 || c.pos[i] < p1) {
			s[dst] = true
		}
	}
	return nil
}

func (c *cells) SeqRemove(seq Seq, p0, p1 Pos) error {
	c.calls++
	for i, s := range c.seqs {
		if s[seq] && c.pos[i] >= p0 && (p1 < 0 || c.pos[i] < p1) {
			delete(s, seq)
		}
	}
	return nil
}

// SeqMove is what saving, removing and loading does.
func (c *cells) SeqMove(seq Seq, p0 Pos, to []int32) error {
	tokens, err := c.read(seq)
	if err != nil {
		return err
	}
	if len(tokens)-int(p0) != len(to) {
		return fmt.Errorf("%d cells for positions %d … %d", len(to), p0, len(tokens))
	}
	if err := c.SeqRemove(seq, p0, -1); err != nil {
		return err
	}
	return c.write(seq, p0, tokens[p0:], to)
}

// RunMove moves cells whoever sees them.
func (c *cells) RunMove(seq Seq, p0 Pos, to []int32) error {
	type cell struct {
		token Token
		seqs  map[Seq]bool
	}
	up := make([]cell, len(to))
	for i, s := range c.seqs {
		if k := int(c.pos[i] - p0); s[seq] && k >= 0 && k < len(to) {
			if to[k] > int32(i) {
				return fmt.Errorf("position %d of sequence %d moves up from cell %d to %d", c.pos[i], seq, i, to[k])
			}
			up[k] = cell{c.token[i], s}
			c.seqs[i] = map[Seq]bool{}
		}
	}
	for k, at := range to {
		if len(up[k].seqs) == 0 || len(c.seqs[at]) > 0 {
			return fmt.Errorf("moving position %d of sequence %d, seen by %v, to cell %d, seen by %v", int(p0)+k, seq, up[k].seqs, at, c.seqs[at])
		}
		c.token[at], c.pos[at], c.seqs[at] = up[k].token, p0+Pos(k), up[k].seqs
	}
	return nil
}

// write is what a decode does: tokens go to the cells the tree chose.
func (c *cells) write(seq Seq, from Pos, tokens []Token, at []int32) error {
	for i, t := range tokens {
		if len(c.seqs[at[i]]) > 0 {
			return fmt.Errorf("cell %d given out while %v see it", at[i], c.seqs[at[i]])
		}
		c.token[at[i]], c.pos[at[i]] = t, from+Pos(i)
		c.seqs[at[i]][seq] = true
	}
	return nil
}

// read returns the tokens of a sequence in position order.
func (c *cells) read(seq Seq) ([]Token, error) {
	var idx []int
	for i, s := range c.seqs {
		if s[seq] {
			idx = append(idx, i)
		}
	}
	slices.SortFunc(idx, func(a, b int) int { return int(c.pos[a] - c.pos[b]) })
	out := make([]Token, len(idx))
	for i, x := range idx {
		if int(c.pos[x]) != i {
			return nil, fmt.Errorf("sequence %d has position %d at place %d", seq, c.pos[x], i)
		}
		out[i] = c.token[x]
	}
	return out, nil
}

func (c *cells) used() int {
	n := 0
	for _, s := range c.seqs {
		if len(s) > 0 {
			n++
		}
	}
	return n
}

// world is a tree, its memory, and what each running sequence should hold.
type world struct {
	tree *Tree
	mem  *cells
	want map[Seq][]Token
	ns   map[Seq]string
}

func newWorld(size, seqs int) *world {
	mem := newCells(size)
	return &world{tree: New(mem, Config{Cells: size, Sequences: seqs}), mem: mem, want: map[Seq][]Token{}, ns: map[Seq]string{}}
}

func (w *world) check(t interface{ Fatalf(string, ...any) }) {
	if n := w.tree.Stats().DisorderedSeqs; n > 0 && w.tree.cfg.Ordered {
		t.Fatalf("%d sequences out of order", n)
	}
	if err := w.tree.Check(); err != nil {
		t.Fatalf("Check() = %v, want nil", err)
	}
	if got, want := w.tree.Stats().Used, w.mem.used(); got != want {
		t.Fatalf("Stats().Used = %d, memory has %d cells in use", got, want)
	}
	for id, want := range w.want {
		got, err := w.mem.read(id)
		if err != nil {
			t.Fatalf("memory of running sequence %d: %v", id, err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("memory of running sequence %d = %v, want %v", id, got, want)
		}
		if got := w.tree.Tokens(id, nil); !slices.Equal(got, want) {
			t.Fatalf("Tokens(%d) = %v, want %v", id, got, want)
		}
	}
	for i := range w.tree.seqs {
		s := &w.tree.seqs[i]
		if s.node == nil || s.running {
			continue
		}
		got, err := w.mem.read(s.id)
		if err != nil || !slices.Equal(got, s.node.tokens(nil)) {
			t.Fatalf("memory of idle sequence %d = %v (%v), tree says %v", s.id, got, err, s.node.tokens(nil))
		}
	}
}

func (w *world) open(t interface{ Fatalf(string, ...any) }, ns string, prompt []Token) (Seq, error) {
	id, held, err := w.tree.Open(ns, prompt, len(prompt)-1)
	if err != nil {
		return 0, err
	}
	if held >= len(prompt) {
		t.Fatalf("Open(%v) took over %d tokens, want fewer than the prompt has", prompt, held)
	}
	w.want[id], w.ns[id] = slices.Clone(prompt[:held]), ns
	return id, nil
}

func (w *world) extend(t interface{ Fatalf(string, ...any) }, id Seq, tokens []Token) error {
	at, err := w.tree.Extend(id, tokens, nil)
	if err != nil {
		return err
	}
	if err := w.mem.write(id, Pos(len(w.want[id])), tokens, at); err != nil {
		t.Fatalf("Extend(%d, %v): %v", id, tokens, err)
	}
	w.want[id] = append(w.want[id], tokens...)
	return nil
}

func TestTreeAgainstNaiveMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(8, 120).Draw(t, "cells")
		w := newWorld(size, rapid.IntRange(1, 8).Draw(t, "sequences"))
		w.tree.cfg.Ordered = rapid.Bool().Draw(t, "ordered")
		token := rapid.Int32Range(0, 2) // few tokens: many shared prefixes
		pick := func() (Seq, bool) {
			var ids []Seq
			for id := range w.want {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			if len(ids) == 0 {
				return 0, false
			}
			return rapid.SampledFrom(ids).Draw(t, "sequence"), true
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) { w.check(t) },
			"open": func(t *rapid.T) {
				prompt := rapid.SliceOfN(token, 1, 30).Draw(t, "prompt")
				ns := rapid.SampledFrom([]string{"", "b"}).Draw(t, "space")
				match := w.tree.Match(ns, prompt)
				id, err := w.open(t, ns, prompt)
				switch {
				case err == nil && len(w.want[id]) != min(match, len(prompt)-1):
					t.Fatalf("Open took over %d tokens, Match said %d of %d", len(w.want[id]), match, len(prompt))
				case err != nil && !errors.Is(err, ErrNoSequence):
					t.Fatalf("Open: %v, want ErrNoSequence or nil", err)
				case err != nil && len(w.want) < len(w.tree.seqs)-1:
					t.Fatalf("Open: %v with %d of %d sequences running", err, len(w.want), len(w.tree.seqs))
				}
			},
			"extend": func(t *rapid.T) {
				id, ok := pick()
				if !ok {
					t.Skip()
				}
				tokens := rapid.SliceOfN(token, 1, 25).Draw(t, "tokens")
				available := w.tree.Available()
				err := w.extend(t, id, tokens)
				if err != nil && !errors.Is(err, ErrFull) {
					t.Fatalf("Extend: %v, want ErrFull or nil", err)
				}
				if full := available < len(tokens); full != (err != nil) {
					t.Fatalf("Extend by %d with %d available = %v", len(tokens), available, err)
				}
			},
			"truncate": func(t *rapid.T) {
				id, ok := pick()
				if !ok {
					t.Skip()
				}
				n := rapid.IntRange(0, len(w.want[id])).Draw(t, "length")
				if err := w.tree.Truncate(id, n); err != nil {
					t.Fatalf("Truncate(%d, %d): %v", id, n, err)
				}
				w.want[id] = w.want[id][:n]
			},
			"close": func(t *rapid.T) {
				id, ok := pick()
				if !ok {
					t.Skip()
				}
				tokens, keep := w.want[id], rapid.Bool().Draw(t, "keep")
				if err := w.tree.Close(id, keep); err != nil {
					t.Fatalf("Close(%d): %v", id, err)
				}
				if got := w.tree.Match(w.ns[id], tokens); keep && got != len(tokens) {
					t.Fatalf("after Close(%d, keep) Match = %d, want all %d tokens", id, got, len(tokens))
				}
				delete(w.want, id)
			},
		})
	})
}

func TestOpenGoesOnWithTheIdleConversation(t *testing.T) {
	w := newWorld(64, 4)
	id, _ := w.open(t, "", []Token{1, 2, 3})
	if err := w.extend(t, id, []Token{1, 2, 3, 4, 5}); err != nil {
		t.Fatal(err)
	}
	if err := w.tree.Close(id, true); err != nil {
		t.Fatal(err)
	}
	delete(w.want, id)
	calls := w.mem.calls
	again, held, err := w.tree.Open("", []Token{1, 2, 3, 4, 5, 6, 7}, 6)
	if err != nil || again != id || held != 5 || w.mem.calls != calls {
		t.Fatalf("Open = sequence %d with %d tokens after %d calls, %v; want sequence %d with 5 and no call", again, held, w.mem.calls-calls, err, id)
	}
	if other := w.tree.Match("tenant", []Token{1, 2, 3}); other != 0 {
		t.Fatalf("Match in another namespace = %d, want 0", other)
	}
}

func TestEvictionKeepsWhatIsUsed(t *testing.T) {
	w := newWorld(300, 8)
	run := func(first Token, n int) []Token {
		out := make([]Token, n)
		for i := range out {
			out[i] = first + Token(i%7)
		}
		return out
	}
	keep := func(tokens []Token) {
		t.Helper()
		id, err := w.open(t, "", tokens)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.extend(t, id, tokens[len(w.want[id]):]); err != nil {
			t.Fatal(err)
		}
		if err := w.tree.Close(id, true); err != nil {
			t.Fatal(err)
		}
		delete(w.want, id)
	}
	popular := run(100, 80)
	for range 5 {
		keep(popular)
	}
	for i := range Token(6) {
		keep(run(1000+100*i, 70))
	}
	if got := w.tree.Match("", popular); got != len(popular) {
		t.Fatalf("the prefix used five times holds %d of %d tokens after others were used once, want all", got, len(popular))
	}
	w.check(t)
}

func TestCellsAscendAlongAPath(t *testing.T) {
	w := newWorld(256, 8)
	a, _ := w.open(t, "", []Token{1})
	b, _ := w.open(t, "", []Token{2})
	for range 20 { // side by side, as decode steps do
		if err := w.extend(t, a, []Token{7}); err != nil {
			t.Fatal(err)
		}
		if err := w.extend(t, b, []Token{8}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.tree.Close(a, false); err != nil { // leaves holes between b's cells
		t.Fatal(err)
	}
	delete(w.want, a)
	c, _ := w.open(t, "", []Token{3})
	if err := w.extend(t, c, make([]Token, 60)); err != nil {
		t.Fatal(err)
	}
	if !w.tree.Ordered(b) || !w.tree.Ordered(c) {
		t.Fatalf("Ordered = %v, %v; want both true", w.tree.Ordered(b), w.tree.Ordered(c))
	}
	if got := w.tree.set.highest(); got != 79 {
		t.Fatalf("highest used cell = %d, want 79: holes are filled first", got)
	}
	w.check(t)
}
