package llama

import "fmt"

// normal fills in what zero values of SamplingParams stand for.
func (p SamplingParams) normal() SamplingParams {
	if p.RepeatPenalty == 0 {
		p.RepeatPenalty = 1
	}
	if p.PenaltyLastN == 0 {
		p.PenaltyLastN = 64
	}
	return p
}

// maxLogprobs is the most alternatives a request may ask for.
const maxLogprobs = 1024

func (p SamplingParams) check() error {
	if p.Logprobs < -1 || p.Logprobs > maxLogprobs {
		return fmt.Errorf("%w: logprobs %d is outside -1 … %d", ErrArgument, p.Logprobs, maxLogprobs)
	}
	if p.TopK > 1<<30 || p.TopK < -1<<30 || p.PenaltyLastN < -1 || p.PenaltyLastN > 1<<24 {
		return fmt.Errorf("%w: top_k %d or penalty_last_n %d is out of range", ErrArgument, p.TopK, p.PenaltyLastN)
	}
	return nil
}
