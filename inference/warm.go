package inference

import (
	"errors"
	"fmt"
	"runtime"
	"slices"

	"repartee/inference/llama"
)

// smallModel is below how many parameters a model is warmed up on one thread: it
// is done soon, and threads that wait for each other would be slow while voices
// load on the same processors.
const smallModel = 500_000_000

// probed is how many of a row's most likely tokens are compared.
const probed = 20

// warm computes the batch shapes that matter once, so that the first request pays
// for no allocation and no page fault, and compares what a row gives in each of
// them: kernels that choose their way by the number of rows show themselves here.
func warm(ctx *llama.Context, model *llama.Model, cfg LoadConfig, gpu bool) (ev evidence, err error) {
	info := model.Info()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer llama.ReleaseThreads() // the engine computes on a thread of its own
	if gpu {
		return ev, warmGPU(ctx, model, cfg)
	}
	if info.Parameters < smallModel {
		if err := ctx.SetThreads(1, 1); err != nil {
			return ev, err
		}
		defer func() { err = errors.Join(err, ctx.SetThreads(cfg.Threads, cfg.Threads)) }()
	}
	sampler, err := model.NewSampler(llama.SamplingParams{TopP: 1, Logprobs: probed})
	if err != nil {
		return ev, fmt.Errorf("inference: warming up %q: %w", cfg.Path, err)
	}
	defer sampler.Close()
	_, before := llama.Attentions()
	var b llama.Batch
	var alone []llama.TokenLogprob
	ev.alike = true
	for _, rows := range []int{1, 2, cfg.Parallel, min(cfg.BatchRows, 33)} {
		b.Reset()
		for i := range rows - 1 {
			b.Add(probe(info, i), llama.Pos(i), 1)
			b.Cells = append(b.Cells, int32(i))
		}
		b.Add(probe(info, 7), 0, 0)
		b.Cells = append(b.Cells, int32(rows-1))
		b.Groups = append(b.Groups, llama.Group{Sampler: sampler, First: rows - 1, Rows: 1})
		if err := ctx.Step(&b); err != nil {
			return ev, fmt.Errorf("inference: warming up %q with %d rows: %w", cfg.Path, rows, err)
		}
		got := b.Logprobs[rows-1]
		if alone == nil {
			alone = slices.Clone(got)
		}
		if ev.alike && !slices.Equal(got, alone) {
			ev.alike, ev.rows = false, rows
		}
		if err := ctx.Clear(); err != nil {
			return ev, fmt.Errorf("inference: warming up %q: %w", cfg.Path, err)
		}
	}
	own, after := llama.Attentions()
	ev.own = own > 0 && after == before
	return ev, nil
}

// probe is some token of the vocabulary.
func probe(info llama.ModelInfo, i int) llama.Token {
	return llama.Token((info.VocabSize/3 + 97*i) % info.VocabSize)
}

// warmGPU computes the batch shapes of serving: one row of each of 1, 2, 4 …
// Parallel sequences, several times over, since the library keeps a graph only
// when it sees it again, and prompts of a few lengths. Behind each stream's row, and
// the last one of a prompt, a token is chosen, as when serving: without that the
// graphs would be others.
func warmGPU(ctx *llama.Context, model *llama.Model, cfg LoadConfig) error {
	info := model.Info()
	tok := max(info.BOS, 0)
	samplers := make([]*llama.Sampler, cfg.Parallel)
	for i := range samplers {
		s, err := model.NewSampler(llama.SamplingParams{TopP: 1, Logprobs: -1})
		if err != nil {
			return fmt.Errorf("inference: warming up %q: %w", cfg.Path, err)
		}
		defer s.Close()
		samplers[i] = s
	}
	var b llama.Batch
	want := func(row int) {
		b.Groups = append(b.Groups, llama.Group{Sampler: samplers[len(b.Groups)], First: row, Rows: 1})
	}
	step := func(rows int) error {
		if err := ctx.Step(&b); err != nil {
			return fmt.Errorf("inference: warming up %q with %d rows: %w", cfg.Path, rows, err)
		}
		return nil
	}
	var streams []int
	for n := 1; n < cfg.Parallel; n *= 2 {
		streams = append(streams, n)
	}
	for _, n := range append(streams, cfg.Parallel) {
		for i := range 3 {
			b.Reset()
			for seq := range n {
				want(b.Add(tok, llama.Pos(i), llama.SeqID(seq)))
				b.Cells = append(b.Cells, int32(i*n+seq))
			}
			if err := step(n); err != nil {
				return err
			}
		}
		if err := ctx.Clear(); err != nil {
			return fmt.Errorf("inference: warming up %q: %w", cfg.Path, err)
		}
	}
	for _, rows := range []int{gpuMinChunk, cfg.BatchRows} {
		b.Reset()
		for i := range min(rows, cfg.Cells, cfg.BatchRows) {
			b.Add(tok, llama.Pos(i), 0)
			b.Cells = append(b.Cells, int32(i))
		}
		want(len(b.Tokens) - 1)
		if err := step(rows); err != nil {
			return err
		}
		if err := ctx.Clear(); err != nil {
			return fmt.Errorf("inference: warming up %q: %w", cfg.Path, err)
		}
	}
	return nil
}

// StepShape is the most rows of a step and of those with logits, as Load chooses
// them, for whoever plans memory.
func StepShape(parallel int, gpu bool) (rows, outputs int) {
	c := Config{Parallel: parallel, GPU: OnGPU{Active: gpu}}.withDefaults()
	return c.BatchRows, outputRows(c)
}
