package inference

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"repartee/inference/llama"
)

// LoadConfig says which model file to make resident and how.
type LoadConfig struct {
	Config           // Cells 0 = fitted to memory
	Path      string // GGUF file
	GPULayers int    // −1 = all
	Threads   int    // 0 = the machine's cores
	KVType    string // "auto", a type, or K/V, e.g. "q8_0/f16"
	// CostDir holds what steps cost on this machine, a file a model; empty = it is
	// learned anew each time.
	CostDir string
	// DraftPath is a GGUF file whose model guesses for this one; empty = none.
	DraftPath string
	// KV is the size of the tiers below the cells.
	KV TierConfig
	// Progress is called while the file is read, with 0 … 1. May be nil.
	Progress func(fraction float32) bool
}

// Load reads a model, makes its context, computes every batch shape that
// matters once, and starts an engine. It blocks for as long as that takes.
func Load(cfg LoadConfig) (*Engine, error) {
	if _, _, err := KVTypes(cfg.KVType); err != nil {
		return nil, err
	}
	began := time.Now()
	gpu := usesGPU(cfg)
	cfg.GPU.Active = gpu
	cfg.Config = cfg.withDefaults()
	model, err := llama.LoadModel(llama.ModelParams{Path: cfg.Path, GPULayers: cfg.GPULayers, Progress: cfg.Progress})
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
		cfg.Threads = Cores()
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
	kv := chooseKV(cfg, info, gpu)
	ctx, err := model.NewContext(llama.ContextParams{
		Cells: cfg.Cells, Sequences: cfg.Sequences, Batch: cfg.BatchRows, Ubatch: cfg.BatchRows,
		Outputs: outputRows(cfg.Config), Threads: cfg.Threads, ThreadsBatch: cfg.Threads,
		TypeK: kv.k, TypeV: kv.v, FlashAttn: 1, SWAFull: true, OffloadKV: true, Ordered: cfg.Deterministic,
	})
	if err != nil {
		return fail(err)
	}
	if err := warm(ctx, info, cfg, gpu); err != nil {
		ctx.Close()
		return fail(err)
	}
	cfg.Log.Info("model resident", "model", cfg.Name, "file", cfg.Path, "description", info.Description,
		"cells", cfg.Cells, "kv", kv.String(), "kv_why", kv.why, "threads", cfg.Threads, "memory", memoryText(ctx.Memory()), "took", time.Since(began).Round(time.Millisecond).String())
	if cfg.Deterministic {
		level := slog.LevelInfo
		if !kv.steady {
			level = slog.LevelWarn
		}
		cfg.Log.Log(context.Background(), level, "answers and company", "model", cfg.Name, "independent", kv.steady, "why", kv.steadyWhy)
	}
	cfg.threads, cfg.processor = cfg.Threads, &machine
	if gpu {
		cfg.threads = 0 // its steps need no cores
	}
	if cfg.Tiers, err = cfg.KV.open(ctx.Fingerprint(), cfg.Log); err != nil {
		ctx.Close()
		return fail(err)
	}
	cfg.CostFile = costFile(cfg.CostDir, cfg, info, kv.String())
	cfg.Embedder = func() (Embedder, error) { return model.NewEmbedder(llama.EmbedderParams{Threads: cfg.Threads}) }
	e := New(model, ctx, cfg.Config)
	e.owned = model
	return e, nil
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
		if free := availableMemory(); free > 0 && perCell > 0 {
			cells = min(cells, max(int(free/4/perCell), 2048))
		}
	}
	return cells / 256 * 256
}

// availableMemory reads MemAvailable, 0 where there is no /proc.
func availableMemory() uint64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// smallModel is below how many parameters a model is warmed up on one thread: it
// is done soon, and threads that wait for each other would be slow while voices
// load on the same processors.
const smallModel = 500_000_000

// warm computes the batch shapes that matter once, so that the first request
// pays for no allocation and no page fault.
func warm(ctx *llama.Context, info llama.ModelInfo, cfg LoadConfig, gpu bool) (err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer llama.ReleaseThreads() // the engine computes on a thread of its own
	if gpu {
		return warmGPU(ctx, info, cfg)
	}
	if info.Parameters < smallModel {
		if err := ctx.SetThreads(1, 1); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ctx.SetThreads(cfg.Threads, cfg.Threads)) }()
	}
	tok := max(info.BOS, 0)
	var b llama.Batch
	for _, rows := range []int{1, 2, cfg.Parallel, min(cfg.BatchRows, 32)} {
		b.Reset()
		for i := range rows {
			b.Add(tok, llama.Pos(i), 0)
			b.Cells = append(b.Cells, int32(i))
		}
		if err := ctx.Step(&b); err != nil {
			return fmt.Errorf("inference: warming up %q with %d rows: %w", cfg.Path, rows, err)
		}
		if err := ctx.Clear(); err != nil {
			return fmt.Errorf("inference: warming up %q: %w", cfg.Path, err)
		}
	}
	return nil
}

// warmGPU computes the batch shapes of serving: one row of each of 1, 2, 4 …
// Parallel sequences, several times over, since the library keeps a graph only
// when it sees it again, and prompts of a few lengths.
func warmGPU(ctx *llama.Context, info llama.ModelInfo, cfg LoadConfig) error {
	tok := max(info.BOS, 0)
	var b llama.Batch
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
				b.Add(tok, llama.Pos(i), llama.SeqID(seq))
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

func memoryText(m llama.MemoryUse) string {
	mib := func(b uint64) string { return strconv.FormatUint(b>>20, 10) }
	return "weights " + mib(m.Weights) + " MiB, KV " + mib(m.KV) + " MiB, compute " + mib(m.Compute) + " MiB"
}

// SetLogger routes llama.cpp's own messages into l; it is global.
func SetLogger(l *slog.Logger) { llama.SetLogger(l) }
