package inference

import (
	"fmt"
	"time"

	"repartee/inference/llama"
)

// loadDraft makes cfg's draft model resident, nil when there is none. It refuses a
// file that cannot guess for target, with the reason.
func loadDraft(cfg LoadConfig, target *llama.Model) (*DraftModel, error) {
	if cfg.DraftPath == "" || cfg.Speculate == SpeculateOff || cfg.Speculate == SpeculateNgram {
		return nil, nil
	}
	began := time.Now()
	model, err := llama.LoadModel(llama.ModelParams{Path: cfg.DraftPath, GPULayers: cfg.GPULayers})
	if err != nil {
		return nil, fmt.Errorf("draft model: %w", err)
	}
	info := model.Info()
	if err = heads(info, model.Meta()); err == nil {
		err = servable(info)
	}
	if err == nil {
		err = llama.SameVocabulary(target, model)
	}
	if err != nil {
		model.Close()
		return nil, fmt.Errorf("draft model %q: %w", cfg.DraftPath, err)
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
	d := &DraftModel{Model: model, Context: ctx, Owned: model}
	if of := target.Info().Parameters; of > 0 {
		d.Prices = float64(info.Parameters) / float64(of)
	}
	file := cfg
	file.Path = cfg.DraftPath
	d.Cost = costFile(cfg.CostDir, file, info, kv.String())
	return d, nil
}

// heads refuses draft models that read the hidden states of their target: the
// engine hands tokens over and nothing else.
func heads(info llama.ModelInfo, meta map[string]string) error {
	switch info.Architecture {
	case "eagle3", "dflash":
		return fmt.Errorf("%w: %s heads read the target's hidden states, which this server does not hand over; give a model of its own with the same vocabulary", llama.ErrUnsupported, info.Architecture)
	}
	if n := meta[info.Architecture+".nextn_predict_layers"]; n != "" && n != "0" {
		return fmt.Errorf("%w: the file's multi-token prediction layers cannot be used; give a model of its own with the same vocabulary", llama.ErrUnsupported)
	}
	return nil
}
