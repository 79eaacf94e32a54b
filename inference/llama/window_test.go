package llama

import (
	"errors"
	"slices"
	"testing"
)

// TestSlidingWindow has a model five of whose six layers see 32 tokens back. Kept
// whole, its sequences can be cut, laid, saved and moved like any other's; kept
// short, what the window has forgotten is said.
func TestSlidingWindow(t *testing.T) {
	if tinyLayers != 0 {
		t.Skip("on a GPU sums are rounded by where the cells lie")
	}
	const window, n = 32, 100
	m := tinyModel(t, tinyShape{layers: 6, width: 64, heads: 2, context: 2048, window: window})
	if got := m.Info().SlidingWindow; got != window {
		t.Fatalf("Info().SlidingWindow = %d, want %d", got, window)
	}
	newContext := func(full bool) *Context {
		t.Helper()
		c, err := m.NewContext(ContextParams{Cells: 2048, Sequences: 3, Batch: 64, Outputs: 4, Threads: 1, FlashAttn: 1, SWAFull: full})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	read := func(c *Context, seq SeqID, from, to int, cell int32) error {
		var b Batch
		for ; from < to; from += len(b.Tokens) {
			b.Reset()
			for i := range min(10, to-from) {
				b.Add(Token(5+(from+i)*7%200), Pos(from+i), seq)
				if cell >= 0 {
					b.Cells = append(b.Cells, cell+int32(from+i))
				}
			}
			if err := c.Step(&b); err != nil {
				return err
			}
		}
		return nil
	}
	// behind is what the model thinks of a sequence's next token.
	behind := func(c *Context, seq SeqID, cell int32) []TokenLogprob {
		t.Helper()
		s := newSampler(t, m, SamplingParams{Logprobs: 20})
		var b Batch
		b.Add(9, c.SeqPosMax(seq)+1, seq)
		if cell >= 0 {
			b.Cells = append(b.Cells, cell)
		}
		b.Groups = append(b.Groups, Group{Sampler: s, Rows: 1})
		if err := c.Step(&b); err != nil {
			t.Fatal(err)
		}
		return b.Logprobs[0]
	}

	full := newContext(true)
	if err := read(full, 0, 0, n, -1); err != nil {
		t.Fatal(err)
	}
	want := behind(full, 0, -1)
	if err := full.SeqRemove(0, 10, -1); err != nil {
		t.Fatalf("cutting far behind the window = %v", err)
	}
	if err := read(full, 0, 10, n, 300); err != nil {
		t.Fatalf("in cells of choice: %v", err)
	}
	if got := behind(full, 0, 600); !slices.Equal(got, want) {
		t.Errorf("in cells of choice: %v, want %v", got, want)
	}
	if err := full.SeqRemove(0, n, -1); err != nil {
		t.Fatal(err)
	}
	for at := Pos(0); at < n; at += window { // pieces as long as the window lose nothing
		size, err := full.SeqSaveSize(0, at, min(at+window, n))
		if err != nil {
			t.Fatal(err)
		}
		piece := make([]byte, size)
		if _, err := full.SeqSaveTo(piece, 0, at, min(at+window, n)); err != nil {
			t.Fatal(err)
		}
		if err := full.SeqLoadAt(1, piece, spread(700+2*at, min(window, n-int(at)))); err != nil {
			t.Fatalf("SeqLoadAt(%d) = %v", at, err)
		}
	}
	if got := behind(full, 1, 1200); !slices.Equal(got, want) {
		t.Errorf("restored: %v, want %v", got, want)
	}
	if err := full.SeqRemove(1, 40, -1); err != nil {
		t.Errorf("cutting what was restored in pieces = %v", err)
	}
	if err := full.SeqMove(0, 0, spread(1400, n)); err != nil {
		t.Fatalf("moving more than a window = %v", err)
	}
	if p := full.SeqPosMin(0); p != 0 {
		t.Errorf("what was moved begins at position %d, want 0: other sequences may share it, and cut it", p)
	}
	if err := full.SeqCopy(0, 2, 0, 40); err != nil {
		t.Errorf("sharing the beginning of what was moved = %v", err)
	}
	if err := full.RunMove(2, 0, spread(1320, 40)); err != nil {
		t.Errorf("moving what two share = %v", err)
	}
	if got := behind(full, 0, 1400+2*int32(n)); !slices.Equal(got, want) {
		t.Errorf("behind moved windows: %v, want %v", got, want)
	}
	if err := full.SeqRemove(0, n, -1); err != nil {
		t.Fatal(err)
	}
	if err := full.SeqRemove(2, 0, -1); err != nil {
		t.Fatal(err)
	}
	whole, err := full.SeqSave(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := full.SeqLoad(2, whole); err != nil {
		t.Fatal(err)
	}
	if err := full.SeqRemove(2, 40, -1); !errors.Is(err, ErrUnsupported) {
		t.Errorf("cutting before the window of what was saved whole = %v, want ErrUnsupported", err)
	}
	if got := behind(full, 2, 1300); !slices.Equal(got, want) {
		t.Errorf("restored whole: %v, want %v", got, want)
	}

	short := newContext(false)
	if err := read(short, 0, 0, 10, 0); !errors.Is(err, ErrArgument) {
		t.Errorf("cells of choice in a short window's memory = %v, want ErrArgument", err)
	}
	if err := read(short, 0, 0, n, -1); err != nil {
		t.Fatal(err)
	}
	if got := behind(short, 0, -1); !slices.Equal(got, want) {
		t.Errorf("with short windows: %v, want %v", got, want)
	}
}

// TestAWindowHasTheSameBitsInAnyCompany has windows that are smaller and larger than a
// segment of the kernel, and as large, and prompts whose rows see all of theirs and
// only a part. A row read alone is the measure: chunks, where rows are computed
// together, gaps between the cells, rows of others in front of and among one's own,
// cells of others between one's own, and threads must not move a bit.
func TestAWindowHasTheSameBitsInAnyCompany(t *testing.T) {
	if tinyLayers != 0 {
		t.Skip("on a GPU sums are rounded by where the cells lie")
	}
	const n, tail = 620, 12
	for _, window := range []uint32{8, 60, 255, 256, 257, 300, 512, 600} {
		m := tinyModel(t, tinyShape{layers: 6, width: 64, heads: 2, context: 2048, window: window})
		// read is what the model thinks behind each of the last tokens, read in chunks
		// beside `beside` rows of another sequence, which stand in front of a chunk, or
		// every `among` rows in it.
		read := func(chunk, beside, among, threads int, cells []int32) (all [tail][]TokenLogprob) {
			t.Helper()
			c, err := m.NewContext(ContextParams{Cells: 4096, Sequences: 2, Batch: 1024, Outputs: tail, Threads: threads, FlashAttn: 1, SWAFull: true})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			var samplers [tail]*Sampler
			for i := range samplers {
				samplers[i] = newSampler(t, m, SamplingParams{Logprobs: 20})
			}
			var b Batch
			others, taken := 0, map[int32]bool{}
			for _, cell := range cells {
				taken[cell] = true
			}
			free := int32(0) // others take what lies between
			other := func() {
				for taken[free] {
					free++
				}
				b.Add(Token(5+others*31%200), Pos(others), 1)
				b.Cells = append(b.Cells, free)
				others++
				free++
			}
			before, _ := Attentions()
			for at := 0; at < n; {
				b.Reset()
				k := min(chunk, n-at)
				for range beside {
					other()
				}
				for i := range k {
					if among > 0 && i%among == among-1 {
						other()
					}
					if at+i >= n-tail {
						b.Groups = append(b.Groups, Group{Sampler: samplers[at+i-(n-tail)], First: len(b.Tokens), Rows: 1})
					}
					b.Add(Token(5+(at+i)*13%200), Pos(at+i), 0)
					b.Cells = append(b.Cells, cells[at+i])
				}
				if err := c.Step(&b); err != nil {
					t.Fatal(err)
				}
				for _, g := range b.Groups {
					all[int(b.Pos[g.First])-(n-tail)] = slices.Clone(b.Logprobs[g.First])
				}
				at += k
			}
			if now, _ := Attentions(); now == before {
				t.Fatal("our attention was not used")
			}
			return all
		}
		want := read(2, 0, 0, 1, adjacent(0, n))
		f := func(chunk, beside, among, threads int, cells []int32) {
			t.Helper()
			got := read(chunk, beside, among, threads, cells)
			for i := range got {
				if !slices.Equal(got[i], want[i]) {
					t.Errorf("window %d, chunks of %d beside %d rows (one every %d) on %d threads: the %dth last row has %v, want %v",
						window, chunk, beside, among, threads, tail-i, got[i][0], want[i][0])
				}
			}
		}
		f(620, 0, 0, 1, adjacent(0, n))
		f(618, 0, 0, 2, adjacent(500, n)) // the last two by themselves
		f(64, 3, 0, 2, spread(3, n))
		f(17, 1, 0, 2, adjacent(3, n))
		f(50, 0, 5, 2, spread(100, n))
		f(100, 40, 0, 1, adjacent(64, n))
	}
}
