package inference

import (
	"fmt"
	"time"

	"repartee/inference/llama"
)

// Drafts tells whether a draft model or head has a part in a way of guessing.
func Drafts(s Speculation) bool { return s != SpeculateOff && s != SpeculateNgram }

// loadDraft makes cfg's draft model resident, nil when there is none; a draft head,
// with or without a file of its own, is attached by attachHead. It refuses a file
// that cannot guess for target, with the reason.
func loadDraft(cfg LoadConfig, target *llama.Model) (*DraftModel, error) {
	if !Drafts(cfg.Speculate) || cfg.Synthetic > 0 {
		return nil, nil
	}
	if cfg.DraftPath == "" {
		return carried(target), nil
	}
	began := time.Now()
	model, err := llama.LoadModel(llama.ModelParams{Path: cfg.DraftPath, GPULayers: cfg.GPULayers, Heads: true})
	if err != nil {
		return nil, fmt.Errorf("draft model: %w", err)
	}
	info := model.Info()
	head := llama.HeadOf(model.Meta())
	if head == "" {
		err = servable(info)
	}
	if err == nil {
		err = llama.SameVocabulary(target, model)
	}
	if err != nil {
		model.Close()
		return nil, fmt.Errorf("draft model %q: %w", cfg.DraftPath, err)
	}
	d := &DraftModel{Model: model, Owned: model}
	if of := target.Info().Parameters; of > 0 {
		d.Prices = float64(info.Parameters) / float64(of)
	}
	if head != "" {
		d.Head.Kind = head
		return d, nil
	}
	kv := chooseKV(cfg, info, usesGPU(cfg), llama.OwnAttention)
	ctx, err := model.NewContext(llama.ContextParams{
		Cells: cfg.Cells, Sequences: cfg.Sequences, Batch: cfg.BatchRows, Ubatch: cfg.BatchRows,
		Outputs: cfg.Parallel, Threads: cfg.Threads, ThreadsBatch: cfg.Threads,
		TypeK: kv.k, TypeV: kv.v, FlashAttn: 1, SWAFull: true, OffloadKV: true,
	})
	if err == nil {
		if _, err = warm(ctx, model, cfg, usesGPU(cfg)); err != nil {
			ctx.Close()
		}
	}
	if err != nil {
		model.Close()
		return nil, fmt.Errorf("draft model %q: %w", cfg.DraftPath, err)
	}
	cfg.Log.Info("draft model resident", "model", cfg.Name, "file", cfg.DraftPath, "description", info.Description, "kv", kv.String(),
		"memory", memoryText(ctx.Memory()), "took", time.Since(began).Round(time.Millisecond).String())
	d.Context = ctx
	file := cfg
	file.Path = cfg.DraftPath
	d.Cost = costFile(cfg.CostDir, file, info, kv.String())
	return d, nil
}
