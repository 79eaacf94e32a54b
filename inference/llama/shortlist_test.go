package llama

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// shortlisted makes the same context twice, without and with shortlists.
func shortlisted(t *testing.T, m *Model, p ContextParams) (plain, listed *Context) {
	t.Helper()
	make := func() *Context {
		c, err := m.NewContext(p)
		if err != nil {
			t.Fatalf("NewContext(%+v) = %v", p, err)
		}
		t.Cleanup(c.Close)
		return c
	}
	plain = make()
	p.Shortlist = true
	return plain, make()
}

// TestShortlistsChangeNothing samples the same sequences, token by token, by both
// ways: every token and logprob must be the same. listed is whether the shortlist
// is meant to decide.
func TestShortlistsChangeNothing(t *testing.T) {
	m := defaultModel(t)
	plain, listed := shortlisted(t, m, ContextParams{Cells: 512, Sequences: 8, Outputs: 8, Threads: 1, FlashAttn: 1})
	p := prompt(t, m, "Tell me a story about a fox.")
	yes, err := m.CompileGrammar(GrammarSpec{GBNF: `root ::= ("yes" | "no" | "perhaps") " "*`}, Budget{})
	if err != nil {
		t.Fatal(err)
	}
	inf := float32(math.Inf(-1))
	const either, never, sometimes, always = -1, 0, 1, 2
	f := func(params SamplingParams, want int) {
		t.Helper()
		params = sampling(params)
		params.Seed = 77
		a, b := newSampler(t, m, params), newSampler(t, m, params)
		for _, s := range []*Sampler{a, b} {
			if err := s.Accept(p...); err != nil {
				t.Fatal(err)
			}
		}
		var x, y Batch
		for i, tok := range p {
			x.Add(tok, Pos(i), 0)
			y.Add(tok, Pos(i), 0)
		}
		lists, whole := 0, 0
		for n := range 16 {
			last := len(x.Tokens) - 1
			x.Groups, y.Groups = append(x.Groups[:0], Group{Sampler: a, First: last, Rows: 1}), append(y.Groups[:0], Group{Sampler: b, First: last, Rows: 1})
			if err := plain.Step(&x); err != nil {
				t.Fatal(err)
			}
			if err := listed.Step(&y); err != nil {
				t.Fatal(err)
			}
			if x.Groups[0].Err != nil || y.Groups[0].Err != nil {
				t.Fatalf("%+v: groups: %v and %v", params, x.Groups[0].Err, y.Groups[0].Err)
			}
			if x.Listed != 0 || x.Whole != 0 || y.Listed+y.Whole != 1 {
				t.Fatalf("%+v: counts %d, %d without and %d, %d with shortlists", params, x.Listed, x.Whole, y.Listed, y.Whole)
			}
			lists, whole = lists+y.Listed, whole+y.Whole
			if x.Out[last] != y.Out[last] {
				t.Errorf("%+v: token %d is %d, with shortlists %d", params, n, x.Out[last], y.Out[last])
			}
			if params.Logprobs >= 0 && !slices.Equal(x.Logprobs[last], y.Logprobs[last]) {
				t.Errorf("%+v: token %d: logprobs %v, with shortlists %v", params, n, x.Logprobs[last], y.Logprobs[last])
			}
			tok, pos := x.Out[last], Pos(len(p)+n)
			if m.IsEOG(tok) {
				break
			}
			x.Reset()
			y.Reset()
			x.Add(tok, pos, 0)
			y.Add(tok, pos, 0)
		}
		_, _ = plain.SeqRemove(0, 0, -1), listed.SeqRemove(0, 0, -1)
		if got := map[bool]int{lists == 0: never, lists > 0 && whole > 0: sometimes, whole == 0: always}[true]; want != either && got != want {
			t.Errorf("%+v: %d tokens from shortlists, %d rows copied whole; want %s", params, lists, whole, [...]string{"none from shortlists", "both", "none copied"}[want])
		}
	}
	f(SamplingParams{}, always)
	f(SamplingParams{Temperature: 0.7, TopK: 40, TopP: 0.95, MinP: 0.05}, always)
	f(SamplingParams{Temperature: 3, TopK: 40}, always)
	f(SamplingParams{Temperature: 1, TopK: 60, TypicalP: 0.6}, always)
	f(SamplingParams{Temperature: 0.9, MinP: 0.2}, always)
	f(SamplingParams{Temperature: 1, MinP: 1e-6}, either) // as sure as the model is
	f(SamplingParams{Temperature: 1, TopK: 200}, never)
	f(SamplingParams{Temperature: 1}, never)
	f(SamplingParams{Temperature: 1, TopP: 0.8}, never)
	f(SamplingParams{Temperature: 1, TypicalP: 0.5}, never)
	f(SamplingParams{Logprobs: 3}, never)
	f(SamplingParams{RepeatPenalty: 1.3, FrequencyPenalty: 0.2, PresencePenalty: 0.1}, always)
	f(SamplingParams{Temperature: 0.8, TopK: 40, RepeatPenalty: 1.2, PenaltyLastN: 8}, always)
	f(SamplingParams{Temperature: 0.8, TopK: 40, RepeatPenalty: 0.8}, never)
	f(SamplingParams{Bias: []LogitBias{{Token: 28, Bias: -3}, {Token: 30, Bias: inf}}}, always)
	f(SamplingParams{Bias: []LogitBias{{Token: 40000, Bias: 3}}}, never)
	f(SamplingParams{Temperature: 1, TopK: 40, IgnoreEOG: true}, always)
	f(SamplingParams{Temperature: 1, TopK: 40, Grammar: yes}, sometimes)
	f(SamplingParams{Grammar: yes}, sometimes)
}

// TestShortlistsOfDraftedRows: rows of guesses have lists too, and company gets
// its own rows.
func TestShortlistsOfDraftedRows(t *testing.T) {
	m := defaultModel(t)
	plain, listed := shortlisted(t, m, ContextParams{Cells: 512, Sequences: 4, Outputs: 16, Threads: 1, FlashAttn: 1})
	p := prompt(t, m, "Count from one to ten.")
	var out [2][]Token
	var accepted [2]int
	for i, c := range []*Context{plain, listed} {
		greedy, drawn := newSampler(t, m, SamplingParams{}), newSampler(t, m, SamplingParams{Temperature: 1.2, TopK: 50, Seed: 5})
		right := generate(t, c, newSampler(t, m, SamplingParams{}), 2, p, 512, 4)
		var b Batch
		for k, tok := range p {
			b.Add(tok, Pos(k), 0)
		}
		first := len(b.Tokens) - 1
		for k, tok := range right[:3] { // the fourth guess is wrong
			b.Add(tok, Pos(len(p)+k), 0)
		}
		b.Add(right[0], Pos(len(p)+3), 0)
		for k, tok := range p {
			b.Add(tok, Pos(k), 1)
		}
		b.Groups = []Group{{Sampler: greedy, First: first, Rows: 5}, {Sampler: drawn, First: len(b.Tokens) - 1, Rows: 1}}
		if err := c.Step(&b); err != nil {
			t.Fatal(err)
		}
		accepted[i] = b.Groups[0].Accepted
		out[i] = append(slices.Clone(b.Out[first:first+accepted[i]]), b.Out[len(b.Tokens)-1])
		if i == 1 && (b.Listed != accepted[i]+1 || b.Whole != 0) {
			t.Errorf("%d tokens from lists and %d rows copied, want %d and 0", b.Listed, b.Whole, accepted[i]+1)
		}
	}
	if accepted[0] != accepted[1] || accepted[0] < 4 || !slices.Equal(out[0], out[1]) {
		t.Errorf("accepted %v, tokens %v and with shortlists %v", accepted, out[0], out[1])
	}
}

// TestShortlistDistribution draws with lists from a small vocabulary, of which the
// list holds less than half.
func TestShortlistDistribution(t *testing.T) {
	m := tinyModel(t, tiny)
	plain, listed := shortlisted(t, m, ContextParams{Cells: 256, Threads: 1})
	f := func(params SamplingParams, keep int) {
		t.Helper()
		s := newSampler(t, m, SamplingParams{Logprobs: keep})
		var b Batch
		b.Add(1, 0, 0)
		b.Groups = []Group{{Sampler: s, Rows: 1}}
		if err := plain.Step(&b); err != nil {
			t.Fatal(err)
		}
		if err := plain.SeqRemove(0, 0, -1); err != nil {
			t.Fatal(err)
		}
		const n = 4000
		if msg := unlikely(b.Logprobs[0][1:], float64(params.Temperature), draws(t, m, listed, params, n), n); msg != "" {
			t.Errorf("%+v: %s", params, msg)
		}
	}
	f(SamplingParams{Temperature: 1, TopK: 10}, 10)
	f(SamplingParams{Temperature: 0.5, TopK: 100}, 100)
	f(SamplingParams{Temperature: 2, TopK: 30}, 30)
}

// unlikely compares counts of n draws with what the kept tokens' logprobs give;
// empty when they agree.
func unlikely(kept []TokenLogprob, temperature float64, got map[Token]int, n int) string {
	want, sum := map[Token]float64{}, 0.0
	for _, l := range kept {
		want[l.Token] = math.Exp(float64(l.Logprob) / temperature)
		sum += want[l.Token]
	}
	chi := 0.0
	for tok, w := range want {
		e := w / sum * float64(n)
		chi += (float64(got[tok]) - e) * (float64(got[tok]) - e) / e
		delete(got, tok)
	}
	if len(got) > 0 {
		return fmt.Sprintf("tokens that cannot be: %v", got)
	}
	free := float64(len(kept) - 1)
	if limit := free + 4.5*math.Sqrt(2*free); chi > limit {
		return fmt.Sprintf("chi-square %.1f with %.0f degrees of freedom, want below %.1f", chi, free, limit)
	}
	return ""
}

// TestShortlistsKeepTheGraph: what a request wants is no part of the graph. Each
// step has other samplers, as if new requests had come, and the graph of the step
// before is used again, with shortlists as without.
func TestShortlistsKeepTheGraph(t *testing.T) {
	m := tinyModel(t, tiny)
	plain, listed := shortlisted(t, m, ContextParams{Cells: 256, Sequences: 4, Outputs: 4, Threads: 1, FlashAttn: 1})
	for name, c := range map[string]*Context{"plain": plain, "listed": listed} {
		var b Batch
		for i, params := range []SamplingParams{
			{}, {Temperature: 0.7, TopK: 40, TopP: 0.9}, {Temperature: 1.5, MinP: 0.1, Seed: 3}, {RepeatPenalty: 1.2}, {Bias: []LogitBias{{Token: 5, Bias: -2}}}, {Logprobs: 3}, {Temperature: 1},
		} {
			b.Reset()
			for seq := range 3 {
				row := b.Add(Token(seq+1), Pos(i), SeqID(seq))
				b.Groups = append(b.Groups, Group{Sampler: newSampler(t, m, sampling(params)), First: row, Rows: 1})
			}
			if err := c.Step(&b); err != nil {
				t.Fatal(err)
			}
			if b.Reused != (i > 0) {
				t.Errorf("%s: step %d with %+v uses the graph before it: %v, want %v", name, i, params, b.Reused, i > 0)
			}
		}
	}
}

func TestShortlistCost(t *testing.T) {
	m := tinyModel(t, tiny)
	device, host, err := m.ShortlistCost(4)
	if err != nil || device <= 0 || host <= 0 {
		t.Errorf("ShortlistCost(4) = %v, %v, %v; want two times", device, host, err)
	}
	for _, n := range []int{0, -1, 5000} {
		if _, _, err := m.ShortlistCost(n); err == nil {
			t.Errorf("ShortlistCost(%d) = nil, want an error", n)
		}
	}
}

// TestPinnedMemory: there is some with a GPU and none without.
func TestPinnedMemory(t *testing.T) {
	b := PinnedMemory(1 << 20)
	if card := slices.ContainsFunc(Devices(), func(d DeviceInfo) bool { return d.Kind == "gpu" }); (b != nil) != card {
		t.Errorf("PinnedMemory(1 MiB) = %d bytes; there is a GPU: %v", len(b), card)
	}
	if b != nil {
		b[len(b)-1] = 1
		FreePinned(b)
	}
	if b := PinnedMemory(0); b != nil {
		t.Errorf("PinnedMemory(0) = %d bytes, want nil", len(b))
	}
}
