package llama

import (
	"errors"
	"slices"
	"testing"
)

// TestCellsAreTheCallers lays rows of two sequences into cells here and there and
// looks where they are.
func TestCellsAreTheCallers(t *testing.T) {
	c := newContext(t, ContextParams{Cells: 256, Sequences: 4, Batch: 64, Ubatch: 4, Outputs: 8})
	var b Batch
	put := func(seq SeqID, cells ...int32) {
		pos := c.SeqPosMax(seq) + 1
		for _, q := range b.Seq {
			if q == seq {
				pos++
			}
		}
		for i, cell := range cells {
			b.Add(Token(100+i), pos+Pos(i), seq)
			b.Cells = append(b.Cells, cell)
		}
	}
	step := func() error {
		t.Helper()
		err := c.Step(&b)
		b.Reset()
		return err
	}
	is := func(seq SeqID, want ...int32) {
		t.Helper()
		got, err := c.SeqCells(nil, seq, 0, -1)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("SeqCells(%d) = %v, %v, want %v", seq, got, err, want)
		}
	}
	put(0, 10, 11, 12, 200, 255)
	put(1, 0, 13)
	if err := step(); err != nil { // two ubatches
		t.Fatal(err)
	}
	is(0, 10, 11, 12, 200, 255)
	is(1, 0, 13)
	put(0, 3)
	put(1, 14)
	if err := step(); err != nil {
		t.Fatal(err)
	}
	is(0, 10, 11, 12, 200, 255, 3)
	is(1, 0, 13, 14)
	if err := c.SeqCopy(1, 2, 0, 2); err != nil {
		t.Fatal(err)
	}
	if err := c.SeqRemove(1, 0, -1); err != nil {
		t.Fatal(err)
	}
	is(2, 0, 13)
	put(2, 14)
	if err := step(); err != nil {
		t.Fatalf("into a cell that was given back: %v", err)
	}
	is(2, 0, 13, 14)
	if _, err := c.SeqCells(nil, 2, 1, 9); !errors.Is(err, ErrArgument) {
		t.Errorf("SeqCells past the end = %v, want ErrArgument", err)
	}

	f := func(name string, fill func()) {
		t.Helper()
		fill()
		if err := step(); !errors.Is(err, ErrArgument) {
			t.Errorf("%s: Step = %v, want ErrArgument", name, err)
		}
		if c.SeqPosMax(0) != 5 || c.SeqPosMax(3) != -1 {
			t.Errorf("%s: memory was changed", name)
		}
	}
	f("cell -1", func() { put(3, -1) })
	f("cell 256", func() { put(3, 256) })
	f("a cell in use", func() { put(3, 20, 12) })
	f("a shared cell", func() { put(3, 13) })
	f("one cell twice", func() { put(3, 20); put(0, 20) })
	f("too few cells", func() { put(3, 20, 21); b.Cells = b.Cells[:1] })
	f("too many cells", func() { put(3, 20); b.Cells = append(b.Cells, 21) })
	put(3, 20)
	if err := step(); err != nil {
		t.Errorf("a cell that bad steps named = %v, want it free", err)
	}
	b.Add(1, 0, 1) // and without a choice
	if err := step(); err != nil {
		t.Errorf("a step without cells = %v", err)
	}
}

// TestOrderedContext refuses what would break the order of a sequence's cells,
// after every way in which a sequence can change.
func TestOrderedContext(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Cells: 256, Sequences: 4, Batch: 64, Outputs: 8, Ordered: true})
	s := newSampler(t, m, SamplingParams{})
	var b Batch
	step := func(want error, seq SeqID, cells ...int32) {
		t.Helper()
		b.Reset()
		for i, cell := range cells {
			b.Add(Token(100+i), c.SeqPosMax(seq)+1+Pos(i), seq)
			b.Cells = append(b.Cells, cell)
		}
		if err := c.Step(&b); !errors.Is(err, want) {
			t.Errorf("Step(sequence %d, cells %v) = %v, want %v", seq, cells, err, want)
		}
	}
	step(ErrArgument, 0)
	b.Reset()
	b.Add(1, 0, 0)
	if err := c.Step(&b); !errors.Is(err, ErrArgument) {
		t.Errorf("Step without cells = %v, want ErrArgument", err)
	}
	step(nil, 0, 10, 20, 30)
	step(ErrArgument, 0, 29)
	step(ErrArgument, 0, 31, 40, 39)
	step(nil, 0, 31)
	step(nil, 1, 5)
	if err := c.SeqRemove(0, 1, -1); err != nil {
		t.Fatal(err)
	}
	step(ErrArgument, 0, 9)
	step(nil, 0, 11, 25)
	if err := c.SeqCopy(0, 2, 0, 2); err != nil {
		t.Fatal(err)
	}
	step(ErrArgument, 2, 8)
	step(nil, 2, 12)

	b.Reset() // a draft that is refused gives its cells back
	for i := range 4 {
		b.Add(Token(3000+i), c.SeqPosMax(0)+1+Pos(i), 0)
		b.Cells = append(b.Cells, 100+int32(i))
	}
	b.Groups = append(b.Groups, Group{Sampler: s, Rows: 4})
	if err := c.Step(&b); err != nil {
		t.Fatal(err)
	}
	if n := b.Groups[0].Accepted; n != 1 {
		t.Fatalf("%d tokens accepted, this test wants a refused draft", n)
	}
	step(ErrArgument, 0, 99)
	step(nil, 0, 101)
	if err := c.Clear(); err != nil {
		t.Fatal(err)
	}
	step(nil, 0, 0, 1)
}
