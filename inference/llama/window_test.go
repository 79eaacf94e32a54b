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
