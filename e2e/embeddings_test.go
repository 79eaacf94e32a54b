package e2e

import (
	"math"
	"testing"

	"github.com/openai/openai-go/v3"
)

func TestOpenAIGoEmbeds(t *testing.T) {
	c := goClient()
	texts := []string{"The cat sleeps on the sofa.", "A kitten is sleeping on the couch.", "Section 12 of the tax code was amended in 1987."}
	res, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "smollm2:135m", Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Data) != 3 || res.Usage.PromptTokens == 0 || len(res.Data[0].Embedding) != 576 {
		t.Fatalf("Embeddings.New = %d vectors, usage %+v, want 3 of 576 numbers", len(res.Data), res.Usage)
	}
	dot := func(a, b []float64) (sum float64) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	cat, kitten, tax := res.Data[0].Embedding, res.Data[1].Embedding, res.Data[2].Embedding
	if l := dot(cat, cat); math.Abs(l-1) > 1e-4 {
		t.Errorf("squared length = %v, want 1", l)
	}
	if dot(cat, kitten) <= dot(cat, tax) {
		t.Errorf("cat and kitten are %v alike, cat and tax %v", dot(cat, kitten), dot(cat, tax))
	}
	short, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{
		Model: "smollm2:135m", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String(texts[0])}, Dimensions: openai.Int(32),
	})
	if err != nil || len(short.Data[0].Embedding) != 32 {
		t.Fatalf("with 32 dimensions = %+v, %v", short, err)
	}
}
