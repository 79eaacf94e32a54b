package dialogue

import (
	"cmp"
	"math/rand/v2"

	"repartee/inference/llama"
)

// Sampling is a turn's sampling; a nil field means the default.
type Sampling struct {
	Temperature, TopP, MinP, TypicalP                *float64
	RepeatPenalty, FrequencyPenalty, PresencePenalty *float64
	TopK                                             *int
	Seed                                             *int64
	Bias                                             []llama.LogitBias
	Logprobs                                         int // −1 = none
}

// over fills what is left open with a model's defaults.
func (s Sampling) over(d Sampling) Sampling {
	s.Temperature, s.TopP, s.MinP = cmp.Or(s.Temperature, d.Temperature), cmp.Or(s.TopP, d.TopP), cmp.Or(s.MinP, d.MinP)
	s.TopK, s.RepeatPenalty = cmp.Or(s.TopK, d.TopK), cmp.Or(s.RepeatPenalty, d.RepeatPenalty)
	return s
}

// params fills what a turn leaves open with the defaults.
func (s Sampling) params() llama.SamplingParams {
	pick := func(v *float64, def float64) float32 {
		if v == nil {
			return float32(def)
		}
		return float32(*v)
	}
	p := llama.SamplingParams{
		Temperature: pick(s.Temperature, 0.7), TopP: pick(s.TopP, 0.95), MinP: pick(s.MinP, 0.05), TypicalP: pick(s.TypicalP, 1),
		RepeatPenalty: pick(s.RepeatPenalty, 1), FrequencyPenalty: pick(s.FrequencyPenalty, 0), PresencePenalty: pick(s.PresencePenalty, 0),
		TopK: 40, Bias: s.Bias, Logprobs: s.Logprobs,
	}
	if s.TopK != nil {
		p.TopK = *s.TopK
	}
	if s.Seed != nil {
		p.Seed = uint32(*s.Seed) ^ uint32(*s.Seed>>32)
	} else {
		p.Seed = rand.Uint32()
	}
	return p
}
