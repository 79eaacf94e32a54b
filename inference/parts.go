package inference

import (
	"time"

	"repartee/inference/llama"
)

// StepParts is where the time of an engine's steps went.
type StepParts struct {
	Plan    time.Duration // admission, restoring, choice of rows, guesses
	Decode  time.Duration // the model's graph, and a draft head's reading of it
	Sample  time.Duration // choice of tokens
	Border  time.Duration // checks and copies around both, in the binding
	Deliver time.Duration // text, stop strings, streams, the cost model
	Save    time.Duration // copies of idle prefixes
	// Tokens chosen from shortlists of the device, and rows of logits that had to be
	// copied all the same; both 0 where all rows are copied anyway.
	Listed, Whole int64
}

// add takes in a step: what came before it, itself, and what came behind.
func (p *StepParts) add(b *llama.Batch, plan, step, deliver, save time.Duration) {
	decode, sample := time.Duration(b.DecodeMicros+b.HeadMicros)*time.Microsecond, time.Duration(b.SampleMicros)*time.Microsecond
	p.Plan += plan
	p.Decode += decode
	p.Sample += sample
	p.Border += max(step-decode-sample, 0)
	p.Deliver += deliver
	p.Save += save
	p.Listed += int64(b.Listed)
	p.Whole += int64(b.Whole)
}
