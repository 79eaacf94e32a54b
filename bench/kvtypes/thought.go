package kvtypes

import (
	"context"
	"math"

	"repartee/inference/llama"
)

// scored is how many rows of a step are looked at.
const scored = 64

// kept is how many of the likeliest tokens of a place are compared one by one; the
// others count as one. A sum over parts is never more than the true divergence.
const kept = 1000

// thought is what a model thinks of the token behind a place: how likely the text's
// own one is, and the likeliest ones, best first. Natural logarithms.
type thought struct {
	own  float64
	best []llama.TokenLogprob
}

// think reads the tokens and gives a thought for each but the last.
func think(ctx context.Context, m *llama.Model, c *llama.Context, tokens []llama.Token) ([]thought, error) {
	if err := c.Clear(); err != nil {
		return nil, err
	}
	thoughts := make([]thought, 0, len(tokens)-1)
	var b llama.Batch
	for at := 0; at+1 < len(tokens); at += scored {
		end := min(at+scored, len(tokens)-1)
		b.Reset()
		for i := at; i < end; i++ {
			// The text's own token is forced: its probability, of the raw logits,
			// is then given in the first place.
			s, err := m.NewSampler(llama.SamplingParams{TopP: 1, Logprobs: kept, Bias: []llama.LogitBias{{Token: tokens[i+1], Bias: 1e6}}})
			if err != nil {
				return nil, err
			}
			defer s.Close()
			b.Groups = append(b.Groups, llama.Group{Sampler: s, First: b.Add(tokens[i], llama.Pos(i), 0), Rows: 1})
		}
		if err := c.Step(&b); err != nil {
			return nil, err
		}
		for i, g := range b.Groups {
			if g.Err != nil {
				return nil, g.Err
			}
			lp := b.Logprobs[i]
			thoughts = append(thoughts, thought{own: float64(lp[0].Logprob), best: append([]llama.TokenLogprob(nil), lp[1:]...)})
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return thoughts, nil
}

// divergence of what q thinks from what p does, nats: over the tokens that both
// list, and all others as one.
func divergence(p, q []llama.TokenLogprob) float64 {
	of := make(map[llama.Token]float64, len(q))
	for _, t := range q {
		of[t.Token] = float64(t.Logprob)
	}
	d, left, leftQ := 0.0, 1.0, 1.0
	for _, t := range p {
		lq, ok := of[t.Token]
		if !ok {
			continue
		}
		lp := float64(t.Logprob)
		d += math.Exp(lp) * (lp - lq)
		left -= math.Exp(lp)
		leftQ -= math.Exp(lq)
	}
	// What is left of 1 is below the rounding of the sums in most places.
	if left > 1e-6 && leftQ > 1e-6 {
		d += left * math.Log(left/leftQ)
	}
	return max(d, 0)
}

// sum is what the thoughts of a pair come to.
type sum struct {
	n, same                int
	own, apart, apartTwice float64
}

func (s *sum) add(first, thoughts []thought) {
	for i, t := range thoughts {
		d := divergence(first[i].best, t.best)
		s.n++
		s.own += t.own
		s.apart += d
		s.apartTwice += d * d
		if t.best[0].Token == first[i].best[0].Token {
			s.same++
		}
	}
}

func (s *sum) into(r *Result) {
	n := float64(s.n)
	r.Perplexity = math.Exp(-s.own / n)
	r.Divergence = s.apart / n
	r.DivergenceError = math.Sqrt(max(s.apartTwice/n-r.Divergence*r.Divergence, 0) / n)
	r.Same = float64(s.same) / n
}
