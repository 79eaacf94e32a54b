package inference

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"repartee/inference/llama"
	"repartee/inference/llama/gguf"
)

// CarriesHead tells whether a model's file has layers for multi-token prediction.
func CarriesHead(path string) bool {
	f, err := gguf.Open(path)
	if err != nil {
		return false // whoever loads it says what is wrong
	}
	n, _ := f.Meta[f.Meta["general.architecture"].Text+".nextn_predict_layers"].Int()
	return n > 0
}

// carried is the draft head that a model's own file carries, nil when it has none.
func carried(m *llama.Model) *DraftModel {
	if llama.HeadOf(m.Meta()) != llama.MTP {
		return nil
	}
	d := &DraftModel{Head: llama.Head{Kind: llama.MTP}}
	if n := m.Info().Layers; n > 0 {
		d.Prices = 1 / float64(n)
	}
	return d
}

// attachHead gives the warmed-up context the draft head that cfg.Draft speaks of, if
// it does, and computes it once. A head that the user named and that does not fit is
// an error; layers that the model's file happens to carry are left alone then.
func attachHead(cfg *LoadConfig, ctx *llama.Context, gpu bool, kv string) error {
	if cfg.Draft == nil || cfg.Draft.Head.Kind == "" {
		return nil
	}
	began := time.Now()
	own, _ := cfg.Draft.Model.(*llama.Model)
	head, err := ctx.AttachHead(own, llama.HeadParams{Most: maxRounds, Drafting: cfg.Parallel, OnDevice: gpu})
	switch {
	case err != nil && own == nil:
		cfg.Log.Warn("the model's layers for multi-token prediction are not used", "model", cfg.Name, "error", err)
		cfg.Draft = nil
		return nil
	case err != nil:
		return fmt.Errorf("draft head %q: %w", cfg.DraftPath, err)
	}
	switch err := warmHead(ctx); {
	case err != nil && own == nil && !errors.Is(err, llama.ErrFatal):
		cfg.Log.Warn("the model's layers for multi-token prediction are not used", "model", cfg.Name, "error", err)
		ctx.FollowHead(false)
		cfg.Draft = nil
		return ctx.Clear()
	case err != nil:
		return fmt.Errorf("inference: warming up the draft head of %q: %w", cfg.Path, err)
	}
	file, info := *cfg, ctx.Model().Info()
	if own != nil {
		file.Path, info = cfg.DraftPath, own.Info()
	}
	cfg.Draft.Head = head
	cfg.Draft.Cost = costFile(cfg.CostDir, file, info, string(head.Kind)+kv)
	cfg.Log.Info("draft head resident", "model", cfg.Name, "kind", string(head.Kind), "file", file.Path, "guesses", head.Most,
		"memory", memoryText(ctx.Memory()), "took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

// warmHead computes what a step and a draft compute, so that no request pays for
// their graphs.
func warmHead(ctx *llama.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer llama.ReleaseThreads() // the engine computes on a thread of its own
	var b llama.Batch
	b.Add(0, 0, 0)
	b.Cells = append(b.Cells, 0)
	if err := ctx.Step(&b); err != nil {
		return err
	}
	if b.HeadLost {
		return errors.New("it could not read a step")
	}
	var d llama.Draft
	d.Add(0, 0, 1, 1)
	if err := ctx.Draft(&d); err != nil {
		return err
	}
	return ctx.Clear()
}
