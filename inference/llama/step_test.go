package llama

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// long is a prompt of some hundred tokens.
func long(tb testing.TB, m *Model) []Token {
	return prompt(tb, m, "Summarise this: "+strings.Repeat("The river rose in spring and the mill stood still. ", 12))
}

func TestChunkedPrefillEqualsWhole(t *testing.T) {
	m := defaultModel(t)
	p := prompt(t, m, "Write one sentence about the sea.")
	f := func(chunk int) []Token {
		c := newContext(t, ContextParams{Outputs: 1})
		return generate(t, c, newSampler(t, m, SamplingParams{}), 0, p, chunk, 24)
	}
	whole := f(512)
	for _, chunk := range []int{1, 7, 16} {
		if got := f(chunk); !slices.Equal(got, whole) {
			t.Errorf("chunks of %d: %q, want %q", chunk, text(m, got), text(m, whole))
		}
	}
}

func TestSeqCopySharesAPrefix(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{})
	p := prompt(t, m, "Name a colour.")
	want := generate(t, c, newSampler(t, m, SamplingParams{}), 0, p, 512, 12)

	cells := Pos(len(p) - 1)
	if err := c.SeqCopy(0, 3, 0, cells); err != nil {
		t.Fatalf("SeqCopy(0, 3, 0, %d) = %v", cells, err)
	}
	if got := c.SeqPosMax(3); got != cells-1 {
		t.Errorf("SeqPosMax(3) = %d after the copy, want %d", got, cells-1)
	}
	got := generate(t, c, newSampler(t, m, SamplingParams{}), 3, p[cells:], 512, 12)
	if !slices.Equal(got, want) {
		t.Errorf("from the shared prefix: %q, want %q", text(m, got), text(m, want))
	}
	if err := c.SeqRemove(0, 0, -1); err != nil || c.SeqPosMax(0) != -1 || c.SeqPosMax(3) < cells {
		t.Errorf("SeqRemove(0) = %v, ends at %d and the other at %d; want the other untouched", err, c.SeqPosMax(0), c.SeqPosMax(3))
	}
}

// TestDraftsChangeNothing feeds right and wrong drafts and expects the tokens
// and the memory of plain decoding.
func TestDraftsChangeNothing(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Outputs: 16})
	p := prompt(t, m, "Count from one to ten.")
	f := func(seq SeqID, params SamplingParams) {
		t.Helper()
		want := generate(t, c, newSampler(t, m, params), seq, p, 512, 24)
		if err := c.SeqRemove(seq, 0, -1); err != nil {
			t.Fatal(err)
		}
		s := newSampler(t, m, params)
		got := generate(t, c, s, seq, p, 512, 1)
		var b Batch
		for len(got) < len(want) {
			pos := c.SeqPosMax(seq) + 1
			b.Reset()
			b.Add(got[len(got)-1], pos, seq)
			draft := slices.Clone(want[len(got):min(len(got)+5, len(want))])
			if len(got)%3 == 0 && len(draft) > 2 {
				draft[2]++ // wrong from here on
			}
			for i, d := range draft {
				b.Add(d, pos+1+Pos(i), seq)
			}
			b.Groups = append(b.Groups[:0], Group{Sampler: s, Rows: 1 + len(draft)})
			if err := c.Step(&b); err != nil {
				t.Fatalf("Step with a draft = %v", err)
			}
			n := b.Groups[0].Accepted
			got = append(got, b.Out[:n]...)
			if end := c.SeqPosMax(seq); end != pos+Pos(n)-1 {
				t.Fatalf("after %d tokens of %d rows the memory ends at %d, want %d", n, len(b.Tokens), end, pos+Pos(n)-1)
			}
		}
		if !slices.Equal(got[:len(want)], want) {
			t.Errorf("with drafts: %q, want %q", text(m, got), text(m, want))
		}
	}
	f(0, SamplingParams{})
	f(1, SamplingParams{Temperature: 0.9, TopK: 20, Seed: 5, RepeatPenalty: 1.2})
}

func TestAbortTakesTheStepBack(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Outputs: 1})
	p := long(t, m)
	s := newSampler(t, m, SamplingParams{})
	generate(t, c, s, 0, p[:10], 512, 1)
	var b Batch
	for i, tok := range p[10:] {
		b.Add(tok, Pos(10+i), 0)
	}
	b.Groups = []Group{{Sampler: s, First: len(b.Tokens) - 1, Rows: 1}}

	c.Abort() // before the step: it counts for this one
	if err := c.Step(&b); !errors.Is(err, ErrAborted) {
		t.Fatalf("Step after Abort = %v, want ErrAborted", err)
	}
	if end := c.SeqPosMax(0); end != 9 {
		t.Fatalf("after the aborted step the sequence ends at %d, want 9", end)
	}
	done := make(chan error, 1)
	go func() { done <- c.Step(&b) }()
	for stop := time.After(10 * time.Second); ; {
		c.Abort()
		select {
		case err := <-done:
			if !errors.Is(err, ErrAborted) {
				t.Fatalf("Step = %v, want ErrAborted", err)
			}
		case <-stop:
			t.Fatal("the step was not aborted")
		default:
			continue
		}
		break
	}
	if end := c.SeqPosMax(0); end != 9 {
		t.Errorf("after the aborted step the sequence ends at %d, want 9", end)
	}
	for c.Step(&b) != nil { // an abort too many may have been left over
	}
	if end := c.SeqPosMax(0); end != Pos(len(p)-1) {
		t.Errorf("repeated, the sequence ends at %d, want %d", end, len(p)-1)
	}
}

func TestNoCells(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Cells: 256, Outputs: 1})
	s := newSampler(t, m, SamplingParams{})
	fill := func(seq SeqID, n int) error {
		var b Batch
		for i := range n {
			b.Add(100, Pos(i), seq)
		}
		b.Groups = []Group{{Sampler: s, First: n - 1, Rows: 1}}
		return c.Step(&b)
	}
	if err := fill(0, 200); err != nil {
		t.Fatal(err)
	}
	if err := fill(1, 57); !errors.Is(err, ErrNoCells) || c.SeqPosMax(1) != -1 {
		t.Errorf("57 rows into 56 cells = %v, ends at %d; want ErrNoCells and nothing changed", err, c.SeqPosMax(1))
	}
	if err := fill(1, 56); err != nil {
		t.Errorf("56 rows into 56 cells = %v", err)
	}
}

func TestLogprobs(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{})
	all := m.Info().VocabSize
	s := newSampler(t, m, SamplingParams{Temperature: 2, Seed: 3, Logprobs: min(all, maxLogprobs)})
	var b Batch
	for i, tok := range prompt(t, m, "Hello there") {
		b.Add(tok, Pos(i), 0)
	}
	last := len(b.Tokens) - 1
	b.Groups = []Group{{Sampler: s, First: last, Rows: 1}}
	if err := c.Step(&b); err != nil {
		t.Fatal(err)
	}
	lp := b.Logprobs[last]
	if len(lp) != maxLogprobs+1 || lp[0].Token != b.Out[last] {
		t.Fatalf("%d logprobs, the first of token %d; want %d, the first of %d", len(lp), lp[0].Token, maxLogprobs+1, b.Out[last])
	}
	sum := 0.0
	for i, l := range lp[1:] {
		sum += exp(l.Logprob)
		if i > 0 && l.Logprob > lp[i].Logprob {
			t.Fatalf("logprob %d is larger than the one before it", i)
		}
		if l.Token == lp[0].Token && l.Logprob != lp[0].Logprob {
			t.Errorf("the chosen token has %v and %v", l.Logprob, lp[0].Logprob)
		}
	}
	if sum < 0.9 || sum > 1.0001 {
		t.Errorf("the best %d probabilities sum to %v, want nearly 1", maxLogprobs, sum)
	}
	for i := range b.Logprobs[:last] {
		if len(b.Logprobs[i]) != 0 {
			t.Errorf("row %d has logprobs nobody asked for", i)
		}
	}
}

func TestStepDoesNotAllocate(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Outputs: 2})
	f := func(name string, params SamplingParams) {
		t.Helper()
		s := newSampler(t, m, params)
		if err := c.SeqRemove(0, 0, -1); err != nil {
			t.Fatal(err)
		}
		var b Batch
		pos := Pos(0)
		step := func() {
			b.Reset()
			b.Add(100+pos, pos, 0)
			b.Groups = append(b.Groups, Group{Sampler: s, Rows: 1})
			if err := c.Step(&b); err != nil {
				t.Fatal(err)
			}
			pos++
		}
		step()
		if n := testing.AllocsPerRun(10, step); n != 0 {
			t.Errorf("%s: a step allocates %v times, want 0", name, n)
		}
	}
	f("greedy", SamplingParams{})
	f("sampled", SamplingParams{Temperature: 1, TopK: 40, RepeatPenalty: 1.1})
	f("logprobs", SamplingParams{Logprobs: 5})
}
