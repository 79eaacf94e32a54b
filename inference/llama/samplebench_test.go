package llama

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// BenchmarkSamplingMany is what sampling costs a step of 1, 8 and 32 sequences: each
// way of sampling on one thread (serial) and as the engine does it (pays), by turns
// within one benchmark, so that the two see the same machine. neighbour is one
// sequence under a schema beside others that are sampled as most chats are.
// REPARTEE_TEST_MODEL chooses another vocabulary.
func BenchmarkSamplingMany(b *testing.B) {
	m := defaultModel(b)
	schema := compileSchema(b, m, peopleSchema)
	chat := SamplingParams{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}
	kinds := []struct {
		name  string
		first SamplingParams // of the first sequence
		other SamplingParams
	}{
		{"greedy", SamplingParams{}, SamplingParams{}},
		{"chat", chat, chat},
		{"penalties", with(chat, func(p *SamplingParams) { p.RepeatPenalty = 1.1 }), with(chat, func(p *SamplingParams) { p.RepeatPenalty = 1.1 })},
		{"whole", SamplingParams{Temperature: 1}, SamplingParams{Temperature: 1}},
		{"top-p", SamplingParams{Temperature: 1, TopP: 0.9}, SamplingParams{Temperature: 1, TopP: 0.9}},
		{"logprobs", with(chat, func(p *SamplingParams) { p.Logprobs = 20 }), with(chat, func(p *SamplingParams) { p.Logprobs = 20 })},
		{"schema", with(chat, func(p *SamplingParams) { p.Grammar = schema }), with(chat, func(p *SamplingParams) { p.Grammar = schema })},
		{"neighbour", with(chat, func(p *SamplingParams) { p.Grammar = schema }), chat},
	}
	for _, n := range []int{1, 8, 32} {
		for _, k := range kinds {
			b.Run(fmt.Sprintf("%s/%d", k.name, n), func(b *testing.B) {
				oneThread(b)
				c := newContext(b, ContextParams{Cells: 256 + 32*n, Sequences: n + 1, Outputs: n, Batch: 256})
				x := streams{c: c, m: m, n: n, first: k.first, other: k.other}
				x.read(b, prompt(b, m, "Write a JSON list of people."))
				modes := []samplingMode{samplingSerial, samplingPays}
				var took [2][]float64 // sampling, µs, by mode
				var decode, whole [2][]float64
				for i := 0; b.Loop(); i++ {
					mode := i / 32 % 2 // 32 tokens of each in turn
					if i%32 == 0 {
						x.begin(b, modes[mode])
					}
					t0 := time.Now()
					x.step(b)
					whole[mode] = append(whole[mode], float64(time.Since(t0).Microseconds()))
					took[mode] = append(took[mode], float64(x.b.SampleMicros))
					decode[mode] = append(decode[mode], float64(x.b.DecodeMicros))
				}
				x.end()
				for i, name := range []string{"serial", "pays"} {
					if len(took[i]) > 0 {
						b.ReportMetric(middle(took[i]), name+"-µs")
						b.ReportMetric(mean(took[i]), name+"-mean-µs")
						b.ReportMetric(middle(whole[i]), name+"-step-µs")
					}
				}
			})
		}
	}
}

func with(p SamplingParams, f func(*SamplingParams)) SamplingParams {
	f(&p)
	return p
}

func middle(x []float64) float64 {
	slices.Sort(x)
	return x[len(x)/2]
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// streams are n sequences that go on from one prompt, which sequence n holds.
type streams struct {
	c            *Context
	m            *Model
	n            int
	first, other SamplingParams
	b            Batch
	samplers     []*Sampler
	last         []Token
	prompt       Token
	pos          Pos
}

func (x *streams) read(tb testing.TB, p []Token) {
	tb.Helper()
	for i, t := range p[:len(p)-1] {
		x.b.Add(t, Pos(i), SeqID(x.n))
	}
	if err := x.c.Step(&x.b); err != nil {
		tb.Fatal(err)
	}
	x.prompt = p[len(p)-1]
}

func (x *streams) end() {
	for _, s := range x.samplers {
		s.Close()
	}
	x.samplers = nil
}

// begin starts all sequences anew.
func (x *streams) begin(tb testing.TB, mode samplingMode) {
	tb.Helper()
	x.end()
	x.c.setSampling(mode)
	x.last = x.last[:0]
	for i := range x.n {
		p := x.other
		if i == 0 {
			p = x.first
		}
		p.Seed = uint32(i)
		p.IgnoreEOG = p.Grammar == nil
		x.samplers = append(x.samplers, newSampler(tb, x.m, p))
		_ = x.c.SeqRemove(SeqID(i), 0, -1)
		if err := x.c.SeqCopy(SeqID(x.n), SeqID(i), 0, -1); err != nil {
			tb.Fatal(err)
		}
		x.last = append(x.last, x.prompt)
	}
	x.pos = x.c.SeqPosMax(SeqID(x.n)) + 1
}

func (x *streams) step(tb testing.TB) {
	tb.Helper()
	x.b.Reset()
	x.b.Groups = x.b.Groups[:0]
	for i, s := range x.samplers {
		x.b.Add(x.last[i], x.pos, SeqID(i))
		x.b.Groups = append(x.b.Groups, Group{Sampler: s, First: i, Rows: 1})
	}
	if err := x.c.Step(&x.b); err != nil {
		tb.Fatal(err)
	}
	for i := range x.samplers {
		if err := x.b.Groups[i].Err; err != nil {
			tb.Fatal(err)
		}
		x.last[i] = x.b.Out[i]
	}
	x.pos++
}
