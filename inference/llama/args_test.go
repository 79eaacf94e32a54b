package llama

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func exp(x float32) float64 { return math.Exp(float64(x)) }

// TestBadBatches gives the real library's door every kind of wrong batch. Each
// must be refused with nothing changed; several would end the process inside.
func TestBadBatches(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Cells: 256, Sequences: 4, Batch: 64, Outputs: 4})
	s, s2 := newSampler(t, m, SamplingParams{}), newSampler(t, m, SamplingParams{})
	other := newSampler(t, tinyModel(t, tiny), SamplingParams{})
	vocab := Token(m.Info().VocabSize)
	generate(t, c, s, 0, []Token{1, 2, 3}, 512, 1)

	f := func(name string, fill func(b *Batch)) {
		t.Helper()
		var b Batch
		fill(&b)
		err := c.Step(&b)
		if !errors.Is(err, ErrArgument) {
			t.Errorf("%s: Step = %v, want ErrArgument", name, err)
		}
		if c.SeqPosMax(0) != 2 || c.SeqPosMax(1) != -1 {
			t.Errorf("%s: sequences end at %d and %d, want 2 and -1", name, c.SeqPosMax(0), c.SeqPosMax(1))
		}
	}
	f("no rows", func(*Batch) {})
	f("token -1", func(b *Batch) { b.Add(-1, 3, 0) })
	f("token = vocabulary", func(b *Batch) { b.Add(vocab, 3, 0) })
	f("token 2³¹-1", func(b *Batch) { b.Add(math.MaxInt32, 3, 0) })
	f("sequence -1", func(b *Batch) { b.Add(1, 0, -1) })
	f("sequence 4", func(b *Batch) { b.Add(1, 0, 4) })
	f("sequence 256", func(b *Batch) { b.Add(1, 0, 256) })
	f("position -1", func(b *Batch) { b.Add(1, -1, 1) })
	f("position again", func(b *Batch) { b.Add(1, 2, 0) })
	f("gap", func(b *Batch) { b.Add(1, 4, 0) })
	f("not from 0", func(b *Batch) { b.Add(1, 1, 1) })
	f("gap inside", func(b *Batch) { b.Add(1, 3, 0); b.Add(1, 5, 0) })
	f("twice inside", func(b *Batch) { b.Add(1, 3, 0); b.Add(1, 3, 0) })
	f("backwards", func(b *Batch) { b.Add(1, 4, 0); b.Add(1, 3, 0) })
	f("second row bad", func(b *Batch) { b.Add(1, 3, 0); b.Add(vocab, 0, 1) })
	f("too many rows", func(b *Batch) {
		for i := range 65 {
			b.Add(1, Pos(i), 1)
		}
	})
	f("lengths differ", func(b *Batch) { b.Add(1, 3, 0); b.Pos = nil })
	one := func(b *Batch, g ...Group) {
		b.Add(1, 3, 0)
		b.Add(1, 4, 0)
		b.Add(1, 0, 1)
		b.Groups = g
	}
	f("no sampler", func(b *Batch) { one(b, Group{Rows: 1}) })
	f("closed sampler", func(b *Batch) {
		closed := newSampler(t, m, SamplingParams{})
		closed.Close()
		one(b, Group{Sampler: closed, Rows: 1})
	})
	f("sampler of another model", func(b *Batch) { one(b, Group{Sampler: other, Rows: 1}) })
	f("group before", func(b *Batch) { one(b, Group{Sampler: s, First: -1, Rows: 1}) })
	f("group behind", func(b *Batch) { one(b, Group{Sampler: s, First: 3, Rows: 1}) })
	f("group over the end", func(b *Batch) { one(b, Group{Sampler: s, First: 2, Rows: 2}) })
	f("group of none", func(b *Batch) { one(b, Group{Sampler: s, Rows: 0}) })
	f("group of 2³¹ rows", func(b *Batch) { one(b, Group{Sampler: s, First: 1, Rows: math.MaxInt32}) })
	f("group of two sequences", func(b *Batch) { one(b, Group{Sampler: s, First: 1, Rows: 2}) })
	f("overlap", func(b *Batch) { one(b, Group{Sampler: s, Rows: 2}, Group{Sampler: s2, First: 1, Rows: 1}) })
	f("one sampler twice", func(b *Batch) { one(b, Group{Sampler: s, Rows: 1}, Group{Sampler: s, First: 1, Rows: 1}) })
	f("draft not last", func(b *Batch) {
		for i := range 3 {
			b.Add(1, Pos(3+i), 0)
		}
		b.Groups = []Group{{Sampler: s, Rows: 2}}
	})
	f("too many outputs", func(b *Batch) {
		for i := range 5 {
			b.Add(1, Pos(3+i), 0)
		}
		b.Groups = []Group{{Sampler: s, Rows: 5}}
	})
	f("too many groups", func(b *Batch) {
		one(b, make([]Group, 5)...)
		for i := range b.Groups {
			b.Groups[i] = Group{Sampler: s, Rows: 1}
		}
	})

	var b Batch // and the context is as good as before
	b.Add(1, 3, 0)
	b.Groups = []Group{{Sampler: s, Rows: 1}}
	if err := c.Step(&b); err != nil {
		t.Errorf("a good step after the bad ones = %v", err)
	}
}

func TestBadSequenceCalls(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Cells: 256, Sequences: 4})
	generate(t, c, newSampler(t, m, SamplingParams{}), 0, []Token{1, 2, 3, 4}, 512, 1)
	f := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, ErrArgument) {
			t.Errorf("%s = %v, want ErrArgument", name, err)
		}
	}
	f("SeqCopy(-1, 0)", c.SeqCopy(-1, 0, 0, -1))
	f("SeqCopy(0, 4)", c.SeqCopy(0, 4, 0, -1))
	f("SeqCopy(0, 0)", c.SeqCopy(0, 0, 0, -1))
	f("SeqCopy past the end", c.SeqCopy(0, 1, 0, 5))
	f("SeqCopy backwards", c.SeqCopy(0, 1, 3, 2))
	f("SeqCopy leaving a gap", c.SeqCopy(0, 1, 2, 4))
	if err := c.SeqCopy(0, 1, 0, 2); err != nil {
		t.Fatal(err)
	}
	f("SeqCopy over what is there", c.SeqCopy(0, 1, 0, 3))
	if err := c.SeqCopy(0, 1, 2, 4); err != nil || c.SeqPosMax(1) != 3 {
		t.Errorf("SeqCopy of the rest = %v, ends at %d, want 3", err, c.SeqPosMax(1))
	}
	if err := c.SeqRemove(1, 1, 3); err != nil {
		t.Fatal(err)
	}
	f("SeqCopy over the gap's border", c.SeqCopy(0, 1, 1, 4))
	f("SeqCopy into half a gap", c.SeqCopy(0, 1, 1, 2))
	if err := c.SeqCopy(0, 1, 1, 3); err != nil || c.SeqPosMax(1) != 3 {
		t.Errorf("SeqCopy into a gap = %v, ends at %d, want 3", err, c.SeqPosMax(1))
	}
	a, errA := c.SeqCells(nil, 0, 0, -1)
	b1, errB := c.SeqCells(nil, 1, 0, -1)
	if errA != nil || errB != nil || !slices.Equal(a, b1) {
		t.Errorf("after filling the gap the cells are %v, %v, want those of the source, %v, %v", b1, errB, a, errA)
	}
	f("SeqRemove(9)", c.SeqRemove(9, 0, -1))
	f("SeqRemove(-1)", c.SeqRemove(-1, 0, -1))
	_, err := c.SeqSave(-1)
	f("SeqSave(-1)", err)
	f("SetThreads(0, 1)", c.SetThreads(0, 1))
	if err := c.SeqRemove(0, 100, 200); err != nil {
		t.Errorf("SeqRemove of nothing = %v", err)
	}
	if a, z := c.SeqPosMin(77), c.SeqPosMax(-5); a != -1 || z != -1 {
		t.Errorf("ranges of sequences that are none = %d, %d, want -1", a, z)
	}

	c.Close()
	c.Close()
	c.Abort()
	var b Batch
	b.Add(1, 0, 0)
	f("Step after Close", c.Step(&b))
	f("SeqCopy after Close", c.SeqCopy(0, 1, 0, -1))
	if c.SeqPosMax(0) != -1 || c.Memory() != (MemoryUse{}) {
		t.Errorf("a closed context says something of its memory")
	}
}

func TestBadContextParams(t *testing.T) {
	m := defaultModel(t)
	f := func(name string, p ContextParams, want error) {
		t.Helper()
		c, err := m.NewContext(p)
		if !errors.Is(err, want) {
			t.Errorf("NewContext(%s) = %v, want %v", name, err, want)
		}
		if c != nil {
			c.Close()
		}
	}
	f("-1 cells", ContextParams{Cells: -1}, ErrArgument)
	f("2⁴⁰ cells", ContextParams{Cells: 1 << 40}, ErrArgument)
	f("256 sequences", ContextParams{Sequences: 256}, ErrArgument)
	f("batch -1", ContextParams{Batch: -1}, ErrArgument)
	f("ubatch over batch", ContextParams{Batch: 8, Ubatch: 9}, ErrArgument)
	f("outputs over batch", ContextParams{Batch: 8, Ubatch: 8, Outputs: 9}, ErrArgument)
	f("threads -1", ContextParams{Threads: -1}, ErrArgument)
	f("flash attention 7", ContextParams{FlashAttn: 7}, ErrArgument)
	f("type f8", ContextParams{TypeK: "f8"}, ErrArgument)
	f("quantised V without flash attention", ContextParams{TypeV: KVQ8}, ErrArgument)
	f("2³⁰ cells", ContextParams{Cells: 1 << 30, FlashAttn: 1}, ErrContextAlloc)
}

func TestBadSamplers(t *testing.T) {
	m := defaultModel(t)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	f := func(name string, p SamplingParams) {
		t.Helper()
		if p.Logprobs == 0 {
			p.Logprobs = -1
		}
		s, err := m.NewSampler(p)
		if !errors.Is(err, ErrArgument) {
			t.Errorf("NewSampler(%s) = %v, want ErrArgument", name, err)
		}
		if s != nil {
			s.Close()
		}
	}
	for _, v := range []float32{nan, inf, -inf} {
		f("temperature", SamplingParams{Temperature: v})
		f("top_p", SamplingParams{TopP: v})
		f("min_p", SamplingParams{MinP: v})
		f("typical_p", SamplingParams{TypicalP: v})
		f("repeat_penalty", SamplingParams{RepeatPenalty: v})
		f("frequency_penalty", SamplingParams{FrequencyPenalty: v})
		f("presence_penalty", SamplingParams{PresencePenalty: v})
	}
	f("repeat_penalty -1", SamplingParams{RepeatPenalty: -1})
	f("top_p -1", SamplingParams{TopP: -1})
	f("min_p 2", SamplingParams{MinP: 2})
	f("penalty_last_n", SamplingParams{PenaltyLastN: -2})
	f("penalty_last_n large", SamplingParams{PenaltyLastN: math.MaxInt32})
	f("logprobs", SamplingParams{Logprobs: -2})
	f("logprobs large", SamplingParams{Logprobs: 1 << 20})
	f("bias of token -1", SamplingParams{Bias: []LogitBias{{Token: -1}}})
	f("bias of token 49152", SamplingParams{Bias: []LogitBias{{Token: 49152}}})
	f("bias NaN", SamplingParams{Bias: []LogitBias{{Token: 1, Bias: nan}}})
	f("bias +Inf", SamplingParams{Bias: []LogitBias{{Token: 1, Bias: inf}}})
	s := newSampler(t, m, SamplingParams{RepeatPenalty: 1.1})
	if err := s.Accept(1, 49152); !errors.Is(err, ErrArgument) {
		t.Errorf("Accept(49152) = %v, want ErrArgument", err)
	}
	if err := s.Accept(); err != nil {
		t.Errorf("Accept() = %v", err)
	}
}
