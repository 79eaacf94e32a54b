package llama

import (
	"slices"
	"testing"
)

// TestOrderOfCells reads one prompt into cells in order, in order with holes and a
// neighbour between them, and out of order. In order the model thinks the same to
// the last bit, wherever the cells are; out of order it does not.
func TestOrderOfCells(t *testing.T) {
	m := defaultModel(t)
	p := prompt(t, m, "Say what a mill does, and why it stands by a river.")
	read := func(name string, chunk, threads int, cell func(i int) int32, beside bool) []TokenLogprob {
		t.Helper()
		c := newContext(t, ContextParams{Cells: 2048, Batch: 64, Threads: threads, TypeK: KVQ8})
		s := newSampler(t, m, SamplingParams{Logprobs: 50})
		var b Batch
		if beside { // a neighbour in cells that the prompt leaves free
			for i := range 60 {
				b.Add(Token(900+i), Pos(i), 1)
				b.Cells = append(b.Cells, int32(601+3*i))
			}
			if err := c.Step(&b); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		for at := 0; at < len(p); at += chunk {
			b.Reset()
			for i := at; i < min(at+chunk, len(p)); i++ {
				b.Add(p[i], Pos(i), 0)
				b.Cells = append(b.Cells, cell(i))
			}
			if at+chunk >= len(p) {
				b.Groups = append(b.Groups, Group{Sampler: s, First: len(b.Tokens) - 1, Rows: 1})
			}
			if err := c.Step(&b); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		return b.Logprobs[len(b.Tokens)-1]
	}
	low := func(i int) int32 { return int32(i) }
	want := read("in order", 64, 2, low, false)
	same := func(name string, got []TokenLogprob, equal bool) {
		t.Helper()
		if slices.Equal(got, want) != equal {
			t.Errorf("%s: logprobs equal to those in order: %v, want %v", name, !equal, equal)
		}
	}
	holes := func(i int) int32 { return 600 + 3*int32(i) }
	same("token by token, one thread", read("token by token", 1, 1, low, false), true)
	same("holes and a neighbour", read("holes", 7, 2, holes, true), true)
	same("backwards", read("backwards", 64, 2, func(i int) int32 { return int32(len(p) - 1 - i) }, false), false)
	same("the second half below the first", read("halves", 7, 2, func(i int) int32 { return int32((i + len(p)/2) % len(p)) }, false), false)
}
