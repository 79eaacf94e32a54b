package dialogue

import (
	"context"
	"errors"
	"fmt"
	"math"

	"repartee/inference"
)

// Input is a text to embed, or its tokens.
type Input struct {
	Text   string
	Tokens []inference.Token // nil = Text
}

// maxInputs bounds one request for vectors.
const maxInputs = 2048

// Embedding is a request for the vectors of texts.
type Embedding struct {
	Model      string // empty = the default model
	Inputs     []Input
	Dimensions int  // first numbers of each vector, scaled to length 1 again; 0 = all
	Truncate   bool // cut texts that are too long, else they are an error
}

// Embed computes vectors and returns the model's name. Errors: FieldError about
// input or dimensions, UnknownModelError, and those of inference.Engine.Embed.
func (s *Service) Embed(ctx context.Context, r Embedding) (inference.Embeddings, string, error) {
	var none inference.Embeddings
	engine, name, err := s.Engine(r.Model, "")
	if err != nil {
		return none, "", err
	}
	width := engine.Info().Embedding
	switch {
	case len(r.Inputs) == 0:
		return none, "", &FieldError{"input", "must not be empty"}
	case len(r.Inputs) > maxInputs:
		return none, "", &FieldError{"input", fmt.Sprintf("has %d texts, want at most %d", len(r.Inputs), maxInputs)}
	case r.Dimensions < 0 || width > 0 && r.Dimensions > width:
		return none, "", &FieldError{"dimensions", fmt.Sprintf("%d is out of range, want 1 … %d", r.Dimensions, width)}
	}
	texts := make([][]inference.Token, len(r.Inputs))
	for i, in := range r.Inputs {
		field := "input"
		if len(r.Inputs) > 1 {
			field = fmt.Sprintf("input[%d]", i)
		}
		if texts[i] = in.Tokens; in.Tokens != nil {
			if err := checkTokens(engine, field, in.Tokens); err != nil {
				return none, "", err
			}
		} else if in.Text != "" {
			if texts[i], err = engine.Tokenize(in.Text, true, false); err != nil {
				return none, "", &FieldError{field, err.Error()}
			}
		}
		if len(texts[i]) == 0 {
			return none, "", &FieldError{field, "must not be empty"}
		}
	}
	out, err := engine.Embed(ctx, texts, r.Truncate)
	var long *inference.InputTooLongError
	switch {
	case errors.As(err, &long):
		return none, "", &FieldError{fmt.Sprintf("input[%d]", long.Index), fmt.Sprintf("has %d tokens, this model embeds at most %d", long.Tokens, long.Most)}
	case err != nil:
		return none, "", err
	}
	if d := r.Dimensions; d > 0 && d < out.Width {
		for i, v := range out.Vectors {
			out.Vectors[i] = unit(v[:d])
		}
		out.Width = d
	}
	return out, name, nil
}

// unit scales v to length 1, in place; all zeros stay as they are.
func unit(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	if sum > 0 {
		scale := float32(1 / math.Sqrt(sum))
		for i := range v {
			v[i] *= scale
		}
	}
	return v
}
