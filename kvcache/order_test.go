package kvcache

import (
	"errors"
	"slices"
	"testing"
)

// TestOrderIsKeptByMoving fills the upper half of the buffer and frees the lower
// one: the sequence at the top can only go on in order when it is moved.
func TestOrderIsKeptByMoving(t *testing.T) {
	f := func(name string, ordered bool, prefix int) {
		t.Helper()
		w := newWorld(128, 4)
		w.tree.cfg.Ordered = ordered
		low, _ := w.open(t, "", []Token{1})
		if err := w.extend(t, low, make([]Token, 60)); err != nil {
			t.Fatal(err)
		}
		high, _ := w.open(t, "b", []Token{2})
		if err := w.extend(t, high, make([]Token, 64)); err != nil {
			t.Fatal(err)
		}
		if prefix > 0 { // an idle double of the beginning
			double, _ := w.open(t, "b", make([]Token, prefix+1))
			if err := w.tree.Close(double, true); err != nil {
				t.Fatal(err)
			}
			delete(w.want, double)
		}
		if err := w.tree.Close(low, false); err != nil {
			t.Fatal(err)
		}
		delete(w.want, low)
		if err := w.extend(t, high, make([]Token, 30)); err != nil {
			t.Fatalf("%s: Extend = %v, want it to go on", name, err)
		}
		w.check(t)
		if got := w.tree.Ordered(high); got != ordered {
			t.Errorf("%s: Ordered = %v, want %v", name, got, ordered)
		}
		if moved := w.tree.Stats().MovedTokens; (moved > 0) != ordered {
			t.Errorf("%s: %d tokens moved", name, moved)
		}
	}
	f("free", false, 0)
	f("ordered", true, 0)
	f("ordered, part of it shared with an idle sequence", true, 20)
}

// TestWhatManyShareIsMovedDown has two running sequences share cells at the top:
// neither can be moved alone, and neither may go on below.
func TestWhatManyShareIsMovedDown(t *testing.T) {
	w := newWorld(64, 4)
	w.tree.cfg.Ordered = true
	low, _ := w.open(t, "", []Token{1})
	if err := w.extend(t, low, make([]Token, 30)); err != nil {
		t.Fatal(err)
	}
	a, _ := w.open(t, "b", []Token{2})
	if err := w.extend(t, a, make([]Token, 33)); err != nil {
		t.Fatal(err)
	}
	b, _ := w.open(t, "b", make([]Token, 34))
	if len(w.want[b]) != 33 {
		t.Fatalf("the second sequence shares %d tokens, want 33", len(w.want[b]))
	}
	if err := w.extend(t, b, []Token{7}); err != nil {
		t.Fatal(err)
	}
	if err := w.extend(t, a, []Token{5, 6}); !errors.Is(err, ErrFull) {
		t.Fatalf("Extend of a full buffer = %v, want ErrFull", err)
	}
	if err := w.tree.Close(low, false); err != nil {
		t.Fatal(err)
	}
	delete(w.want, low)
	for range 7 { // in turn, one of them from behind its own token at the top
		for _, id := range []Seq{a, b} {
			if err := w.extend(t, id, []Token{5, 6}); err != nil {
				t.Fatalf("Extend of sequence %d beside free cells = %v", id, err)
			}
			w.check(t)
		}
	}
	if moved := w.tree.Stats().MovedTokens; moved < 33 || moved > 100 {
		t.Errorf("%d tokens moved, want the 33 that both share and few more", moved)
	}
}

// A long answer goes on beside a prefix that many share, whose cells were the last
// free ones when it was read: nobody is pushed out and little is evicted.
func TestASharedPrefixAtTheTopCostsNoCache(t *testing.T) {
	w := newWorld(4096, 40)
	w.tree.cfg.Ordered = true
	keep := func(ns string, first Token, n int) {
		t.Helper()
		id, _ := w.open(t, ns, []Token{first})
		if err := w.extend(t, id, slices.Repeat([]Token{first}, n)); err != nil {
			t.Fatal(err)
		}
		if err := w.tree.Close(id, true); err != nil {
			t.Fatal(err)
		}
		delete(w.want, id)
	}
	for i := range Token(20) {
		keep("old", 100+i, 202)
	}
	prefix := slices.Repeat([]Token{7}, 30) // only the end of the buffer is free
	var ids []Seq
	for i := range Token(8) {
		id, err := w.open(t, "new", append(slices.Clone(prefix), i))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.extend(t, id, append(slices.Clone(prefix), i)[len(w.want[id]):]); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	for range 60 {
		for _, id := range ids {
			if err := w.extend(t, id, []Token{9}); err != nil {
				t.Fatalf("Extend = %v", err)
			}
		}
	}
	w.check(t)
	if free := w.tree.Free(); free > 1000 {
		t.Errorf("%d of 4096 cells are free after 8 answers of 60 tokens; idle prefixes were evicted that need not be", free)
	}
}
