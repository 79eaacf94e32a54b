package llama

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// TestSamplersAgreeWithTheLibrary generates with our sampler and with
// llama.cpp's own one, same seed, same prompt. Where top-k comes first the
// arithmetic is the same and so is every token; over the whole vocabulary sums
// differ in the last bits, so a rare draw may fall beside a border.
func TestSamplersAgreeWithTheLibrary(t *testing.T) {
	m := defaultModel(t)
	p := prompt(t, m, "Tell me a story about a fox.")
	a, b := newContext(t, ContextParams{Outputs: 1}), newContext(t, ContextParams{Outputs: 1})
	f := func(params SamplingParams, exact bool) {
		t.Helper()
		same, all := 0, 0
		for seed := range uint32(3) {
			params.Seed = 11 * (seed + 1)
			ours, theirs := newSampler(t, m, params), referenceSampler(t, m, sampling(params))
			for _, s := range []*Sampler{ours, theirs} {
				if err := s.Accept(p...); err != nil {
					t.Fatal(err)
				}
			}
			got, want := generate(t, a, ours, 0, p, 512, 20), generate(t, b, theirs, 0, p, 512, 20)
			_, _ = a.SeqRemove(0, 0, -1), b.SeqRemove(0, 0, -1)
			n := 0
			for n < min(len(got), len(want)) && got[n] == want[n] {
				n++
			}
			same, all = same+n, all+len(want)
			if exact && !slices.Equal(got, want) {
				t.Errorf("%+v: token %d differs\n got %q\nwant %q", params, n, text(m, got), text(m, want))
			}
		}
		if same*10 < all*7 {
			t.Errorf("%+v: only %d of %d tokens before the first difference", params, same, all)
		}
	}
	f(SamplingParams{}, true)
	f(SamplingParams{RepeatPenalty: 1.3, FrequencyPenalty: 0.2, PresencePenalty: 0.1}, true)
	f(SamplingParams{Bias: []LogitBias{{Token: 28, Bias: 3}, {Token: 30, Bias: float32(math.Inf(-1))}}}, true)
	f(SamplingParams{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}, true)
	f(SamplingParams{Temperature: 1.5, TopK: 100}, true)
	f(SamplingParams{Temperature: 1, TopK: 40, TypicalP: 0.6}, true)
	f(SamplingParams{Temperature: 0.9, TopK: 40, TopP: 0.9, RepeatPenalty: 1.2, PenaltyLastN: 8}, true)
	f(SamplingParams{Temperature: 1}, false)
	f(SamplingParams{Temperature: 1, TopP: 0.8}, false)
	f(SamplingParams{Temperature: 0.7, MinP: 0.1}, false)
	f(SamplingParams{Temperature: 1, TypicalP: 0.5}, false)
}

// draws samples one token n times from the same row of logits, with n seeds.
func draws(tb testing.TB, m *Model, c *Context, params SamplingParams, n int) map[Token]int {
	tb.Helper()
	count := map[Token]int{}
	var b Batch
	for i := range n {
		params.Seed = uint32(i)
		s := newSampler(tb, m, params)
		b.Reset()
		b.Add(1, 0, 0)
		b.Groups = append(b.Groups[:0], Group{Sampler: s, Rows: 1})
		if err := c.Step(&b); err != nil {
			tb.Fatal(err)
		}
		count[b.Out[0]]++
		s.Close()
		if err := c.SeqRemove(0, 0, -1); err != nil {
			tb.Fatal(err)
		}
	}
	return count
}

// TestDistribution compares frequencies with the probabilities that the logits
// give, by a chi-square test on the tiny model.
func TestDistribution(t *testing.T) {
	m := tinyModel(t, tiny)
	c, err := m.NewContext(ContextParams{Cells: 256, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	all := m.Info().VocabSize
	s := newSampler(t, m, SamplingParams{Logprobs: all})
	var b Batch
	b.Add(1, 0, 0)
	b.Groups = []Group{{Sampler: s, Rows: 1}}
	if err := c.Step(&b); err != nil {
		t.Fatal(err)
	}
	best := b.Logprobs[0][1:]
	if err := c.SeqRemove(0, 0, -1); err != nil {
		t.Fatal(err)
	}
	const n = 4000
	f := func(params SamplingParams, keep int) {
		t.Helper()
		if msg := unlikely(best[:keep], float64(params.Temperature), draws(t, m, c, params, n), n); msg != "" {
			t.Errorf("%+v: %s", params, msg)
		}
	}
	f(SamplingParams{Temperature: 1}, all)
	f(SamplingParams{Temperature: 0.5}, all)
	f(SamplingParams{Temperature: 1, TopK: 10}, 10)
	f(SamplingParams{Temperature: 2, TopK: 30}, 30)
	keep, mass := 0, 0.0
	for mass < 0.3 {
		mass += math.Exp(float64(best[keep].Logprob))
		keep++
	}
	f(SamplingParams{Temperature: 1, TopP: 0.3}, keep)
	keep = 0
	for keep < all && best[keep].Logprob >= best[0].Logprob+float32(math.Log(0.5)) {
		keep++
	}
	f(SamplingParams{Temperature: 1, MinP: 0.5}, keep)
}

// TestSeedsRepeatInCompany: the same seed and prompt give the same tokens
// whatever else is in the batch. The prompt is short: with longer ones the
// logits themselves depend on company in an f16 cache.
func TestSeedsRepeatInCompany(t *testing.T) {
	m := defaultModel(t)
	p := prompt(t, m, "Hi")
	params := SamplingParams{Temperature: 1, TopK: 50, Seed: 42}
	c := newContext(t, ContextParams{TypeK: KVQ8, Outputs: 8})
	want := generate(t, c, newSampler(t, m, params), 0, p, 512, 10)

	for seq := range SeqID(4) { // others, differing, sampled beside it
		if err := c.SeqRemove(seq, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	var b Batch
	samplers := []*Sampler{newSampler(t, m, params)}
	for i := range 3 {
		samplers = append(samplers, newSampler(t, m, SamplingParams{Temperature: 2, Seed: uint32(i)}))
	}
	next := make([]Token, 4)
	pos := make([]Pos, 4)
	var got []Token
	for step := 0; len(got) < len(want); step++ {
		b.Reset()
		for i := 3; i >= 0; i-- {
			if step == 0 {
				for _, tok := range p[:len(p)-i] {
					b.Add(tok, pos[i], SeqID(i))
					pos[i]++
				}
			} else {
				b.Add(next[i], pos[i], SeqID(i))
				pos[i]++
			}
			b.Groups = append(b.Groups, Group{Sampler: samplers[i], First: len(b.Tokens) - 1, Rows: 1})
		}
		if err := c.Step(&b); err != nil {
			t.Fatal(err)
		}
		for g, i := range []int{3, 2, 1, 0} {
			next[i] = b.Out[b.Groups[g].First]
		}
		got = append(got, next[0])
	}
	if !slices.Equal(got, want) {
		t.Errorf("in company %q, alone %q", text(m, got), text(m, want))
	}
}

func TestIgnoreEOG(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{})
	p := prompt(t, m, "What is the capital of France? Answer in one word.")
	free := generate(t, c, newSampler(t, m, SamplingParams{}), 0, p, 512, 40)
	if len(free) == 40 {
		t.Fatal("the answer does not end by itself")
	}
	if forced := generate(t, c, newSampler(t, m, SamplingParams{IgnoreEOG: true}), 1, p, 512, 40); len(forced) != 40 {
		t.Errorf("with IgnoreEOG %d tokens, want 40: %q", len(forced), text(m, forced))
	}
}

func TestBiasForbidsAndForces(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{})
	p := prompt(t, m, "Hi")
	first := generate(t, c, newSampler(t, m, SamplingParams{}), 0, p, 512, 1)[0]
	f := func(seq SeqID, params SamplingParams, check func(got Token) string) {
		t.Helper()
		got := generate(t, c, newSampler(t, m, params), seq, p, 512, 1)[0]
		if why := check(got); why != "" {
			t.Errorf("%+v: token %d: %s", params, got, why)
		}
	}
	f(1, SamplingParams{Bias: []LogitBias{{Token: first, Bias: float32(math.Inf(-1))}}}, func(got Token) string {
		if got == first {
			return "it was forbidden"
		}
		return ""
	})
	f(2, SamplingParams{Temperature: 1, TopK: 40, Bias: []LogitBias{{Token: 1234, Bias: 1000}}}, func(got Token) string {
		if got != 1234 {
			return "1234 was forced"
		}
		return ""
	})
	var all []LogitBias
	for i := range m.Info().VocabSize {
		all = append(all, LogitBias{Token: Token(i), Bias: float32(math.Inf(-1))})
	}
	var b Batch
	b.Add(1, 0, 3)
	for i, temperature := range []float32{0, 1} {
		b.Groups = []Group{{Sampler: newSampler(t, m, SamplingParams{Temperature: temperature, Bias: all}), Rows: 1}}
		b.Seq[0] = SeqID(3 + i)
		if err := c.Step(&b); err != nil || b.Groups[0].Err == nil {
			t.Errorf("everything forbidden at temperature %v: Step = %v, group %v; want only the group to fail", temperature, err, b.Groups[0].Err)
		}
	}
	if err := fmt.Sprint(b.Groups[0].Err); err == "" {
		t.Error("the group's error says nothing")
	}
}
