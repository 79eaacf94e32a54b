package kvtypes

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"repartee/inference/llama"
)

// listed is a distribution over tokens 0 …, the n likeliest of it, best first.
func listed(p []float64, n int) []llama.TokenLogprob {
	var all []llama.TokenLogprob
	for t, x := range p {
		all = append(all, llama.TokenLogprob{Token: llama.Token(t), Logprob: float32(math.Log(x))})
	}
	slices.SortStableFunc(all, func(a, b llama.TokenLogprob) int { return -int(math.Copysign(1, float64(a.Logprob-b.Logprob))) })
	return all[:n]
}

// TestDivergence compares with the sum over all tokens: equal when all are listed,
// and never more when some are not.
func TestDivergence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "tokens")
		draw := func(name string) []float64 {
			p, whole := make([]float64, n), 0.0
			for i := range p {
				p[i] = rapid.Float64Range(1e-4, 1).Draw(t, name)
				whole += p[i]
			}
			for i := range p {
				p[i] /= whole
			}
			return p
		}
		p, q := draw("p"), draw("q")
		want := 0.0
		for i := range p {
			want += p[i] * math.Log(p[i]/q[i])
		}
		if got := divergence(listed(p, n), listed(q, n)); math.Abs(got-want) > 1e-4 {
			t.Fatalf("divergence of all %d = %v, want %v", n, got, want)
		}
		k := rapid.IntRange(1, n).Draw(t, "listed")
		if got := divergence(listed(p, k), listed(q, k)); got < 0 || got > want+1e-4 {
			t.Fatalf("divergence of the best %d of %d = %v, want 0 … %v", k, n, got, want)
		}
		if got := divergence(listed(p, k), listed(p, k)); got > 1e-6 {
			t.Fatalf("divergence from itself = %v, want 0", got)
		}
	})
}
