package kvcache

import (
	"errors"
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

// TestOrderIsRefusedRatherThanBroken has two running sequences share cells at the
// top: neither can be moved, and neither may go on below.
func TestOrderIsRefusedRatherThanBroken(t *testing.T) {
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
	if err := w.tree.Close(low, false); err != nil {
		t.Fatal(err)
	}
	delete(w.want, low)
	if err := w.extend(t, a, []Token{5, 6}); !errors.Is(err, ErrFull) {
		t.Fatalf("Extend = %v, want ErrFull", err)
	}
	w.check(t)
	if err := w.tree.Close(b, true); err != nil { // preempted
		t.Fatal(err)
	}
	delete(w.want, b)
	if err := w.extend(t, a, []Token{5, 6}); err != nil {
		t.Fatalf("Extend alone = %v", err)
	}
	w.check(t)
}
