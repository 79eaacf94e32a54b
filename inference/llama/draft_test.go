package llama

import (
	"math"
	"slices"
	"testing"
)

// verify decodes by drafts: propose is asked for the tokens that may follow what
// was generated so far. It returns the answer with the logprobs of each token.
func verify(tb testing.TB, c *Context, s *Sampler, seq SeqID, p []Token, n int, propose func(out []Token) []Token) (out []Token, lp [][]TokenLogprob) {
	tb.Helper()
	var b Batch
	for i, t := range p {
		b.Add(t, c.SeqPosMax(seq)+1+Pos(i), seq)
	}
	b.Groups = append(b.Groups, Group{Sampler: s, First: len(p) - 1, Rows: 1})
	for {
		if err := c.Step(&b); err != nil {
			tb.Fatalf("Step = %v", err)
		}
		g := &b.Groups[0]
		if g.Err != nil {
			tb.Fatalf("group: %v", g.Err)
		}
		for i := g.First; i < g.First+g.Accepted; i++ {
			out = append(out, b.Out[i])
			if len(b.Logprobs) > 0 {
				lp = append(lp, slices.Clone(b.Logprobs[i]))
			}
		}
		if len(out) >= n || defaultModel(tb).IsEOG(out[len(out)-1]) {
			return out[:min(n, len(out))], lp[:min(n, len(lp))]
		}
		pos := c.SeqPosMax(seq) + 1
		if want := Pos(len(p) + len(out) - 1); pos != want {
			tb.Fatalf("after %d tokens the memory ends at %d, want %d", len(out), pos, want)
		}
		b.Reset()
		b.Add(out[len(out)-1], pos, seq)
		for i, t := range propose(out) {
			b.Add(t, pos+1+Pos(i), seq)
		}
		b.Groups = append(b.Groups, Group{Sampler: s, Rows: len(b.Tokens)})
	}
}

func none([]Token) []Token { return nil }

// TestDraftsAreVerifiedExactly compares answers with and without drafts, right
// ones, wrong ones and ones that go on behind the end, for every state a sampler
// has: random numbers, penalties, grammar, logprobs.
func TestDraftsAreVerifiedExactly(t *testing.T) {
	m := defaultModel(t)
	// Keys in q8_0 have one attention kernel for any number of rows.
	c := newContext(t, ContextParams{Outputs: 16, TypeK: KVQ8})
	schema, err := SchemaToGrammar(`{"type":"object","properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer"},"town":{"type":"string","maxLength":12}},"required":["name","age","town"]}`)
	if err != nil {
		t.Fatal(err)
	}
	grammar, err := m.CompileGrammar(GrammarSpec{GBNF: schema}, Budget{})
	if err != nil {
		t.Fatal(err)
	}
	defer grammar.Close()
	f := func(name, ask string, params SamplingParams) {
		t.Helper()
		p := prompt(t, m, ask)
		clear := func() {
			if err := c.SeqRemove(0, 0, -1); err != nil {
				t.Fatal(err)
			}
		}
		clear()
		want, wantLP := verify(t, c, newSampler(t, m, params), 0, p, 24, none)
		for shape, wrong := range map[string]int{"right": -1, "wrong at once": 0, "wrong later": 2} {
			clear()
			asked := 0
			got, gotLP := verify(t, c, newSampler(t, m, params), 0, p, 24, func(out []Token) []Token {
				asked++
				d := slices.Clone(want[min(len(out), len(want)):min(len(out)+6, len(want))])
				for len(d) < 6 {
					d = append(d, 28) // behind the end
				}
				if wrong >= 0 {
					d[wrong] = (d[wrong] + 1) % Token(m.Info().VocabSize)
				}
				return d
			})
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s: %q, want %q", name, shape, text(m, got), text(m, want))
				continue
			}
			if wrong < 0 && asked > 2+len(want)/6 {
				t.Errorf("%s, %s: %d steps for %d tokens", name, shape, asked, len(want))
			}
			for i := range wantLP {
				if !slices.Equal(gotLP[i], wantLP[i]) {
					t.Errorf("%s, %s: logprobs of token %d = %v, want %v", name, shape, i, gotLP[i], wantLP[i])
					break
				}
			}
		}
	}
	f("greedy", "Count from one to twenty.", SamplingParams{})
	f("ends early", "Say yes.", SamplingParams{})
	f("sampled", "Tell me of a fox.", SamplingParams{Temperature: 1, TopK: 40, TopP: 0.95, Seed: 7})
	f("penalties", "Tell me of a fox.", SamplingParams{Temperature: 0.9, TopK: 20, Seed: 5, RepeatPenalty: 1.3, FrequencyPenalty: 0.3, PenaltyLastN: 16})
	f("grammar", "Describe a person.", SamplingParams{Grammar: grammar})
	f("grammar, sampled, logprobs", "Describe a person.", SamplingParams{Grammar: grammar, Temperature: 1.2, TopK: 30, Seed: 3, Logprobs: 3})
	f("logprobs", "Name a colour.", SamplingParams{Logprobs: 5})
}

// chiSquare is the statistic of counts against probabilities, and the bound that
// it passes less than once in 10⁵ draws when they agree.
func chiSquare(count map[Token]int, p map[Token]float64) (chi, bound float64) {
	n := 0
	for _, k := range count {
		n += k
	}
	for t, q := range p {
		e := q * float64(n)
		chi += (float64(count[t]) - e) * (float64(count[t]) - e) / e
	}
	free := float64(len(p) - 1)
	return chi, free + 4.5*math.Sqrt(2*free) + 6
}

// TestDraftsKeepTheDistribution samples two tokens with many seeds, the first of
// them drafted, and compares both with the target's probabilities.
func TestDraftsKeepTheDistribution(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Outputs: 4, TypeK: KVQ8})
	p := prompt(t, m, "Name any animal.")
	const topK, temperature, n = 4, 1.5, 200
	params := SamplingParams{Temperature: temperature, TopK: topK}
	// probabilities of the token behind a row, from the logprobs of the top-k.
	behind := func(b *Batch, row int) map[Token]float64 {
		out, sum := map[Token]float64{}, 0.0
		for _, l := range b.Logprobs[row][1 : topK+1] {
			out[l.Token] = math.Exp(float64(l.Logprob) / temperature)
			sum += out[l.Token]
		}
		for t := range out {
			out[t] /= sum
		}
		return out
	}
	var b Batch
	for i, tok := range p[:len(p)-1] {
		b.Add(tok, Pos(i), 0)
	}
	if err := c.Step(&b); err != nil {
		t.Fatal(err)
	}
	last := Pos(len(p) - 1)
	two := func(draft Token, params SamplingParams) *Group {
		b.Reset()
		b.Add(p[last], last, 0)
		b.Add(draft, last+1, 0)
		s, err := m.NewSampler(sampling(params))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		b.Groups = append(b.Groups, Group{Sampler: s, Rows: 2})
		if err := c.Step(&b); err != nil {
			t.Fatal(err)
		}
		if err := c.SeqRemove(0, last, -1); err != nil {
			t.Fatal(err)
		}
		return &b.Groups[0]
	}
	two(0, SamplingParams{Logprobs: topK}) // greedy, to learn the best token
	draft := b.Out[0]
	first := behind(&b, 0)
	if two(draft, SamplingParams{Logprobs: topK}).Accepted != 2 {
		t.Fatal("the best token was refused as a draft of a greedy sampler")
	}
	second := behind(&b, 1)

	got0, got1 := map[Token]int{}, map[Token]int{}
	for seed := range uint32(n) {
		params.Seed = seed
		g := two(draft, params)
		got0[b.Out[0]]++
		if g.Accepted == 2 {
			got1[b.Out[1]]++
		}
		if (g.Accepted == 2) != (b.Out[0] == draft) {
			t.Fatalf("seed %d: %d tokens accepted, the first is %d, drafted was %d", seed, g.Accepted, b.Out[0], draft)
		}
	}
	f := func(name string, got map[Token]int, want map[Token]float64) {
		t.Helper()
		for tok := range got {
			if want[tok] == 0 {
				t.Errorf("%s: token %d is not among the best %d", name, tok, topK)
			}
		}
		if chi, bound := chiSquare(got, want); chi > bound {
			t.Errorf("%s: chi-square %.1f, want at most %.1f: %v against %v", name, chi, bound, got, want)
		}
	}
	f("first token", got0, first)
	f("second token, behind an accepted draft", got1, second)
	if len(got1) < 2 {
		t.Errorf("only %v behind accepted drafts, this test wants more", got1)
	}
}

// TestDraftModel drafts with a context of its own and verifies in another one.
func TestDraftModel(t *testing.T) {
	m := defaultModel(t)
	if err := SameVocabulary(m, m); err != nil {
		t.Errorf("SameVocabulary with itself = %v", err)
	}
	other := tinyModel(t, tiny)
	if err := SameVocabulary(m, other); err == nil {
		t.Error("SameVocabulary with another model = nil, want the reason")
	}
	if err := SameVocabulary(other, tinyModel(t, tiny)); err != nil {
		t.Errorf("SameVocabulary of two like models = %v", err)
	}
	target, draft := newContext(t, ContextParams{Outputs: 8, TypeK: KVQ8}), newContext(t, ContextParams{Outputs: 1, TypeK: KVQ8})
	p := prompt(t, m, "Write a line about snow.")
	want, _ := verify(t, target, newSampler(t, m, SamplingParams{}), 1, p, 24, none)
	greedy := newSampler(t, m, SamplingParams{})
	steps := 0
	got, _ := verify(t, target, newSampler(t, m, SamplingParams{}), 0, p, 24, func(out []Token) (d []Token) {
		steps++
		have := append(slices.Clone(p), out...)
		at := min(draft.SeqPosMax(0)+1, Pos(len(p)))
		if err := draft.SeqRemove(0, at, -1); err != nil { // drafts of before
			t.Fatal(err)
		}
		for range 4 {
			var b Batch
			for i, tok := range have[at:] {
				b.Add(tok, at+Pos(i), 0)
			}
			b.Groups = append(b.Groups, Group{Sampler: greedy, First: len(b.Tokens) - 1, Rows: 1})
			if err := draft.Step(&b); err != nil {
				t.Fatal(err)
			}
			at = Pos(len(have))
			have = append(have, b.Out[len(b.Tokens)-1])
			d = append(d, have[len(have)-1])
		}
		return d
	})
	if !slices.Equal(got, want) || steps > len(want)/3 {
		t.Errorf("with a draft model, %d steps: %q, want %q", steps, text(m, got), text(m, want))
	}
}
