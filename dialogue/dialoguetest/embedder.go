package dialoguetest

import (
	"math"

	"repartee/inference"
)

// embedWidth is the length of the fake's vectors.
const embedWidth = 4

// maxEmbed is the longest text that the fake embeds.
const maxEmbed = 64

// Embedder counts bytes by their remainder and scales the counts to length 1,
// so that texts with the same letters have the same vector.
type Embedder struct{}

// Width is the length of a vector.
func (Embedder) Width() int { return embedWidth }

// MaxTokens is the longest text.
func (Embedder) MaxTokens() int { return maxEmbed }

// Embed appends a text's vector.
func (Embedder) Embed(dst []float32, tokens []inference.Token) ([]float32, error) {
	var counts [embedWidth]float64
	sum := 0.0
	for _, t := range tokens {
		counts[t%embedWidth]++
	}
	for _, c := range counts {
		sum += c * c
	}
	for _, c := range counts {
		dst = append(dst, float32(c/math.Sqrt(sum)))
	}
	return dst, nil
}

// Close has nothing to free.
func (Embedder) Close() {}
