package inference

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"repartee/cpuset"
	"repartee/inference/llama"
)

// LoadConfig says which model file to make resident and how.
type LoadConfig struct {
	Config           // Cells 0 = fitted to memory
	Path      string // GGUF file
	GPULayers int    // −1 = all
	Threads   int    // 0 = one for each physical core of CPUs
	// CPUs are those that the model computes on, with its draft model and embedder;
	// empty = wherever the system puts them. Engines that compute at once divide them.
	CPUs   cpuset.Set
	KVType string // "auto", a type, or K/V, e.g. "q8_0/f16"
	// CostDir holds what steps cost on this machine, a file a model; empty = it is
	// learned anew each time.
	CostDir string
	// DraftPath is a GGUF file whose model guesses for this one; empty = none.
	DraftPath string
	// GPUSampling says where the best tokens of a row are found; empty = auto.
	GPUSampling GPUSampling
	// KV is the size of the tiers below the cells.
	KV TierConfig
	// Progress is called while the file is read, with 0 … 1. May be nil.
	Progress func(fraction float32) bool
}

// Load reads a model, makes its context, computes every batch shape that
// matters once, and starts an engine. It blocks for as long as that takes.
func Load(cfg LoadConfig) (e *Engine, err error) {
	// On its CPUs, for memory lies where it was touched first.
	if e := cpuset.Do(cfg.CPUs, func() { e, err = load(cfg) }); e != nil {
		return nil, fmt.Errorf("inference: %w", e)
	}
	return e, err
}

func load(cfg LoadConfig) (*Engine, error) {
	if _, _, err := KVTypes(cfg.KVType); err != nil {
		return nil, err
	}
	began := time.Now()
	gpu := usesGPU(cfg)
	cfg.GPU.Active = gpu
	cfg.Config = cfg.withDefaults()
	model, err := llama.LoadModel(llama.ModelParams{
		Path: cfg.Path, GPULayers: cfg.GPULayers, Progress: cfg.Progress,
		Heads: cfg.DraftPath == "" && cfg.Synthetic == 0 && Drafts(cfg.Speculate),
	})
	if err != nil {
		return nil, err
	}
	info := model.Info()
	if err := servable(info); err != nil {
		model.Close()
		return nil, err
	}
	if cfg.Cells <= 0 {
		cfg.Cells = fitCells(info)
	}
	if cfg.Threads <= 0 {
		cfg.Threads = CoresOf(cfg.CPUs)
	}
	if cfg.Draft, err = loadDraft(cfg, model); err != nil {
		model.Close()
		return nil, err
	}
	fail := func(err error) (*Engine, error) {
		cfg.Draft.close()
		model.Close()
		return nil, err
	}
	onDevice, whyThere, err := cfg.shortlists(model, gpu)
	if err != nil {
		return fail(err)
	}
	kv := chooseKV(cfg, info, gpu, llama.OwnAttention)
	ctx, ev, err := makeContext(model, cfg, kv, gpu, onDevice)
	if err == nil && cfg.Deterministic && llama.OwnAttention && !ev.own && !gpu {
		// A model that our attention does not know.
		if other := chooseKV(cfg, info, gpu, false); other != kv {
			ctx.Close()
			kv = other
			ctx, ev, err = makeContext(model, cfg, kv, gpu, onDevice)
		}
	}
	if err != nil {
		return fail(err)
	}
	cfg.Log.Info("model resident", "model", cfg.Name, "file", cfg.Path, "description", info.Description,
		"cells", cfg.Cells, "kv", kv.String(), "kv_why", kv.why, "threads", cfg.Threads, "cpus", onCPUs(cfg.CPUs), "memory", memoryText(ctx.Memory()), "took", time.Since(began).Round(time.Millisecond).String())
	if gpu || onDevice {
		cfg.Log.Info("sampling", "model", cfg.Name, "on_gpu", onDevice, "why", whyThere)
	}
	if cfg.Deterministic {
		level := slog.LevelInfo
		steady, why := independence(cfg, info, kv, gpu, ev)
		if !steady {
			level = slog.LevelWarn
		}
		cfg.Log.Log(context.Background(), level, "answers and company", "model", cfg.Name, "independent", steady, "why", why)
	}
	if err := attachHead(&cfg, ctx, gpu, kv.String()); err != nil {
		ctx.Close()
		return fail(err)
	}
	cfg.threads, cfg.processor = cfg.Threads, &machine
	cfg.cpus = cpuset.Here().ByCore(cfg.CPUs)
	if gpu {
		cfg.threads = 0 // its steps need no cores
	}
	if cfg.Tiers, err = cfg.KV.open(ctx.Fingerprint(), gpu, cfg.Log); err != nil {
		ctx.Close()
		return fail(err)
	}
	cfg.CostFile = costFile(cfg.CostDir, cfg, info, kv.String())
	cfg.Embedder = func() (Embedder, error) { return model.NewEmbedder(llama.EmbedderParams{Threads: cfg.Threads}) }
	e := New(model, ctx, cfg.Config)
	e.owned = model
	return e, nil
}

// makeContext makes a model's context and warms it up.
func makeContext(model *llama.Model, cfg LoadConfig, kv kvChoice, gpu, shortlist bool) (*llama.Context, evidence, error) {
	ctx, err := model.NewContext(llama.ContextParams{
		Cells: cfg.Cells, Sequences: cfg.Sequences, Batch: cfg.BatchRows, Ubatch: cfg.BatchRows,
		Outputs: outputRows(cfg.Config), Threads: cfg.Threads, ThreadsBatch: cfg.Threads,
		TypeK: kv.k, TypeV: kv.v, FlashAttn: 1, SWAFull: true, OffloadKV: true, Ordered: cfg.Deterministic, Shortlist: shortlist,
	})
	if err != nil {
		return nil, evidence{}, err
	}
	ev, err := warm(ctx, model, cfg, gpu)
	if err != nil {
		ctx.Close()
		return nil, evidence{}, err
	}
	return ctx, ev, nil
}

// servable refuses what the engine's bookkeeping cannot hold.
func servable(info llama.ModelInfo) error {
	switch {
	case info.Recurrent || info.Hybrid:
		return fmt.Errorf("%w: %q is a %s model: its state cannot be cut back to a prefix", llama.ErrUnsupported, info.Path, info.Architecture)
	case info.Encoder:
		return fmt.Errorf("%w: %q has an encoder and cannot answer chats", llama.ErrUnsupported, info.Path)
	case info.VocabSize <= 0:
		return fmt.Errorf("%w: %q has no vocabulary", llama.ErrUnsupported, info.Path)
	}
	return nil
}

// fitCells chooses the context size: what the model was trained for, at least
// 4096 and at most 32768 cells, within a quarter of the free memory.
func fitCells(info llama.ModelInfo) int {
	cells := min(max(info.ContextTrain, 4096), 32768)
	if info.Layers > 0 && info.HeadsKV > 0 && info.Heads > 0 {
		perCell := uint64(info.Layers) * uint64(info.Embedding/info.Heads*info.HeadsKV) * 2 * 2
		if _, free := HostMemory(); free > 0 && perCell > 0 {
			cells = min(cells, max(int(free/4/perCell), 2048))
		}
	}
	return cells / 256 * 256
}

func onCPUs(s cpuset.Set) string {
	if len(s) == 0 {
		return "any"
	}
	return s.String()
}

func memoryText(m llama.MemoryUse) string {
	mib := func(b uint64) string { return strconv.FormatUint(b>>20, 10) }
	return "weights " + mib(m.Weights) + " MiB, KV " + mib(m.KV) + " MiB, compute " + mib(m.Compute) + " MiB"
}

// SetLogger routes llama.cpp's own messages into l; it is global.
func SetLogger(l *slog.Logger) { llama.SetLogger(l) }
