package llama

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// peopleSchema is a schema whose answers are long enough to be sampled for a while.
const peopleSchema = `{"type":"object","properties":{"people":{"type":"array","items":{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"town":{"type":"string"}},"required":["name","age","town"]}}},"required":["people"]}`

func compileSchema(tb testing.TB, m *Model, schema string) *Grammar {
	tb.Helper()
	gbnf, err := SchemaToGrammar(schema)
	if err != nil {
		tb.Fatalf("SchemaToGrammar = %v", err)
	}
	g, err := m.CompileGrammar(GrammarSpec{GBNF: gbnf}, Budget{})
	if err != nil {
		tb.Fatalf("CompileGrammar = %v", err)
	}
	tb.Cleanup(g.Close)
	return g
}

// mix is some sequences with a sampler each, generated from one seed.
type mix struct {
	prompts [][]Token
	params  []SamplingParams
	drafted []bool
}

func newMix(r *rand.Rand, prompts [][]Token, grammars []*Grammar) mix {
	var x mix
	for range 2 + r.IntN(7) {
		p := sampling(SamplingParams{Seed: r.Uint32()})
		if r.IntN(3) > 0 {
			p.Temperature = 0.3 + r.Float32()
			p.TopK = []int{0, 1, 20, 40}[r.IntN(4)]
			p.TopP = []float32{1, 0.95, 0.5}[r.IntN(3)]
			p.MinP = []float32{0, 0.05}[r.IntN(2)]
		}
		if r.IntN(3) == 0 {
			p.RepeatPenalty, p.PresencePenalty, p.PenaltyLastN = 1.2, 0.3, []int{-1, 4, 64}[r.IntN(3)]
		}
		if r.IntN(3) == 0 {
			p.Logprobs = r.IntN(21)
		}
		if r.IntN(3) == 0 {
			p.Bias = []LogitBias{{Token: Token(r.IntN(49152)), Bias: 3}}
		}
		if r.IntN(3) == 0 {
			p.Grammar = grammars[r.IntN(len(grammars))]
		}
		x.prompts = append(x.prompts, prompts[r.IntN(len(prompts))])
		x.params = append(x.params, p)
		x.drafted = append(x.drafted, r.IntN(4) == 0)
	}
	return x
}

// run generates steps tokens with every sequence of the mix, as one text.
func (x *mix) run(tb testing.TB, c *Context, m *Model, mode samplingMode, steps int) (got []string, threads int) {
	tb.Helper()
	if err := c.Clear(); err != nil {
		tb.Fatal(err)
	}
	c.setSampling(mode)
	var b Batch
	samplers := make([]*Sampler, len(x.params))
	last := make([]Token, len(x.params))
	for i, p := range x.params {
		samplers[i] = newSampler(tb, m, p)
		if err := samplers[i].Accept(x.prompts[i]...); err != nil {
			tb.Fatal(err)
		}
		for k, t := range x.prompts[i] {
			b.Add(t, Pos(k), SeqID(i))
		}
		b.Groups = append(b.Groups, Group{Sampler: samplers[i], First: len(b.Tokens) - 1, Rows: 1})
	}
	alive := make([]int, len(x.params)) // by group: its sequence
	for i := range alive {
		alive[i] = i
	}
	threads = 1
	for range steps {
		if err := c.Step(&b); err != nil {
			tb.Fatalf("Step = %v", err)
		}
		threads = max(threads, b.SampleThreads)
		var next []int
		for g, i := range alive {
			gr := &b.Groups[g]
			line := fmt.Sprintf("seq %d: %v %v", i, b.Out[gr.First:gr.First+gr.Accepted], gr.Err)
			for row := gr.First; row < gr.First+gr.Accepted && len(b.Logprobs) > 0; row++ {
				line += fmt.Sprint(b.Logprobs[row])
			}
			got = append(got, line)
			if gr.Err == nil {
				last[i] = b.Out[gr.First+gr.Accepted-1]
				next = append(next, i)
			}
		}
		if alive = next; len(alive) == 0 {
			break
		}
		b.Reset()
		b.Groups = b.Groups[:0]
		for _, i := range alive {
			first, pos := len(b.Tokens), c.SeqPosMax(SeqID(i))+1
			b.Add(last[i], pos, SeqID(i))
			if x.drafted[i] { // guesses, now and then right
				b.Add(last[i], pos+1, SeqID(i))
				b.Add(m.Info().EOS, pos+2, SeqID(i))
			}
			b.Groups = append(b.Groups, Group{Sampler: samplers[i], First: first, Rows: len(b.Tokens) - first})
		}
	}
	for _, s := range samplers {
		s.Close()
	}
	return got, threads
}

// TestSamplingTogetherChangesNothing compares what a team of threads samples with
// what one thread does: tokens, log probabilities, accepted guesses and errors, over
// random mixes of every kind of sampler.
func TestSamplingTogetherChangesNothing(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Sequences: 8, Outputs: 32, TypeK: KVQ8})
	grammars := []*Grammar{compileSchema(t, m, peopleSchema), compileSchema(t, m, `{"type":"boolean"}`)}
	prompts := [][]Token{prompt(t, m, "Name three people."), prompt(t, m, "a b a b a b a b"), prompt(t, m, "Write a poem about rain.")}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer c.Rest()
	mixes := 10
	if testing.Short() {
		mixes = 4
	}
	for seed := range uint64(mixes) {
		x := newMix(rand.New(rand.NewPCG(seed, 5)), prompts, grammars)
		want, one := x.run(t, c, m, samplingSerial, 10)
		got, several := x.run(t, c, m, samplingTogether, 10)
		if one != 1 || several != 2 {
			t.Fatalf("seed %d: sampled on %d and %d threads, want 1 and 2", seed, one, several)
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("seed %d: %d sequences, entry %d\ntogether %s\nserial   %s", seed, len(x.params), i, slices.Concat(got, []string{"nothing"})[min(i, len(got))], slices.Concat(want, []string{"nothing"})[min(i, len(want))])
			}
		}
	}
}
