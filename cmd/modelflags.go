package cmd

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"repartee/catalog"
	"repartee/cpuset"
	"repartee/gpu"
	"repartee/inference"
	"repartee/supply"

	"github.com/schollz/progressbar/v3"
)

// modelFlags are the flags that say which language models to load and how.
type modelFlags struct {
	deviceFlags
	Model         []named         `help:"Language model to keep resident as NAME=PATH; PATH is a GGUF file or a catalogue name. Repeatable, the first is the default; none switches chat off. Default: the model that make fetched." placeholder:"NAME=PATH"`
	QualityModel  string          `help:"Model that \"mode\":\"quality\" means. Default: the default model." placeholder:"NAME"`
	CtxSize       int             `help:"KV cells shared by all sequences of a model, tokens; 0 fits them to the memory. Too few make long prompts fail, too many cost memory." default:"0" placeholder:"N"`
	Parallel      int             `help:"Most sequences decoded in one step, 1 … 64. Fewer make requests queue, more slow each stream." default:"8" placeholder:"N"`
	MaxQueue      int             `help:"Most requests waiting; beyond it 429. Too many let clients wait for answers they no longer want." default:"64" placeholder:"N"`
	StepBudget    time.Duration   `help:"Longest time a step may hold running streams back, 5ms … 10s. Less makes streams smoother and long prompts slower." default:"50ms" placeholder:"D"`
	GPULayers     int             `name:"gpu-layers" help:"Layers kept in GPU memory, -1 = all." default:"-1" placeholder:"N"`
	GPUSampling   string          `name:"gpu-sampling" help:"Where the likeliest tokens are found: auto lets the GPU do it where a trial at load shows that it pays, on lets whatever computes the logits do it, off copies all logits to the host. Answers stay the same." enum:"auto,on,off" default:"auto" placeholder:"MODE"`
	KVType        string          `name:"kv-type" help:"Types of the K and V cache: auto, f16, bf16, q8_0, q4_0, or two as K/V such as q8_0/f16. Smaller types save memory and cost quality." default:"auto" placeholder:"K[/V]"`
	Deterministic bool            `help:"Give the same answer to the same request whoever else is served. It costs nothing on a CPU; the log says at load whether it holds with the model's weights." default:"true" negatable:""`
	ContextShift  bool            `help:"Let a conversation outgrow the context: the older half behind the system prompt is dropped and the answer goes on, up to ten contexts. Without it the answer ends there with finish_reason length and a longer prompt is refused. Requests may choose (context_shift)." default:"false" negatable:""`
	KVHost        size            `name:"kv-host" help:"Host memory for prefixes that leave the KV cells, such as 2GiB; 0 = none. Too little makes conversations be read again." default:"2GiB" placeholder:"SIZE"`
	KVDir         string          `name:"kv-dir" help:"Folder for prefixes that leave host memory and for all at the end of the process; empty = none. It holds what users wrote." default:"" placeholder:"DIR"`
	KVDisk        size            `name:"kv-disk" help:"Most bytes in --kv-dir, divided among the models; what models no longer served have left there goes first. Too few lose conversations over a restart." default:"10GiB" placeholder:"SIZE"`
	Speculate     string          `help:"Guess tokens ahead wherever that pays: auto, ngram (from what was said before), draft (by the draft model alone) or off. Answers stay the same." enum:"auto,ngram,draft,off" default:"auto" placeholder:"MODE"`
	Synthetic     float64         `name:"speculate-synthetic" help:"For benchmarks: guess each token of an answer that was given before rightly with this chance, 0 … 1, and guess nothing else. Answers stay the same. 0 = off." default:"0" placeholder:"CHANCE"`
	Draft         []named         `help:"Smaller model that guesses tokens for the model NAME; PATH is a GGUF file or a catalogue name with the same vocabulary, or an EAGLE-3, MTP or DFlash head made for it. Used where it pays." placeholder:"NAME=PATH"`
	parts         []gpu.Part      // what else will lie on a card
	hostParts     []gpu.Part      // what else will lie in the host's memory
	laterParts    []gpu.Part      // and what may come to lie there, as far as there is room
	tell          func(*hostPlan) // makes the memory plan known; nil = nobody asks
	card          *card           // set when a GPU was chosen
	lostTo        func(*card)     // told of the card before anything is loaded; may be nil
	Threads       int             `help:"CPU threads of the language model; 0 = physical cores. More than the cores makes everything slower." default:"0" placeholder:"N"`
	CPUs          cpuset.Set      `name:"cpus" help:"CPUs that the language models compute on, such as 0-7,16-23; each thread stays on its share of them, and models that compute at once divide them. Empty = wherever the system puts the threads. Too few make everything slower." default:"" placeholder:"LIST"`
	NUMA          string          `name:"numa" help:"Threads on a machine with several memory nodes, as llama.cpp has it: off, distribute (on all nodes), isolate (on one node) or numactl (on --cpus). One node: no effect." enum:"off,distribute,isolate,numactl" default:"off"`
}

// check refuses values that make no sense together with the flag's name.
func (m *modelFlags) check() error {
	if err := m.deviceFlags.check(); err != nil {
		return err
	}
	switch {
	case m.CtxSize < 0 || m.CtxSize > 0 && m.CtxSize < 256:
		return usagef("--ctx-size %d: want 0 or at least 256 tokens", m.CtxSize)
	case m.Parallel < 1 || m.Parallel > 64:
		return usagef("--parallel %d: want 1 … 64", m.Parallel)
	case m.MaxQueue < 1:
		return usagef("--max-queue %d: want at least 1", m.MaxQueue)
	case m.StepBudget < 5*time.Millisecond || m.StepBudget > 10*time.Second:
		return usagef("--step-budget %s: want 5ms … 10s", m.StepBudget)
	case !(m.Synthetic >= 0 && m.Synthetic <= 1): // also refuses NaN
		return usagef("--speculate-synthetic %g: want a chance of 0 … 1", m.Synthetic)
	case m.Synthetic > 0 && (m.Speculate == "off" || len(m.Draft) > 0):
		return usagef("--speculate-synthetic makes all guesses itself: leave out --speculate off and --draft")
	case m.Threads < 0 || m.Threads > 1024:
		return usagef("--threads %d: want 0 … 1024", m.Threads)
	}
	if _, _, err := inference.KVTypes(m.KVType); err != nil {
		return usagef("--kv-type %q: want auto, f16, bf16, q8_0, q4_0, or two of them as K/V", m.KVType)
	}
	return m.checkPlacement()
}

func (m *modelFlags) speculation() inference.Speculation {
	switch m.Speculate {
	case "off":
		return inference.SpeculateOff
	case "ngram":
		return inference.SpeculateNgram
	case "draft":
		return inference.SpeculateDraft
	}
	return inference.SpeculateAuto
}

// draftPaths resolves --draft, by the names of the models.
func (m *modelFlags) draftPaths(models []named) (map[string]string, error) {
	out := map[string]string{}
	for _, d := range m.Draft {
		if !slices.ContainsFunc(models, func(n named) bool { return n.Name == d.Name }) {
			return nil, usagef("--draft %s=%s: no model is called %q; want --draft NAME=PATH with a NAME of --model", d.Name, d.Path, d.Name)
		}
		if out[d.Name] != "" {
			return nil, usagef("--draft for %s is given twice", d.Name)
		}
		path, err := catalog.Resolve(d.Path, supply.Dir())
		if err != nil {
			return nil, fmt.Errorf("--draft %s: %w", d.Name, err)
		}
		out[d.Name] = path
	}
	if m.Speculate == "draft" {
		for _, n := range models {
			if path, err := catalog.Resolve(n.Path, supply.Dir()); out[n.Name] == "" && err == nil && !inference.CarriesHead(path) {
				return nil, usagef("--speculate draft: model %s has no draft model, nor layers for multi-token prediction; add --draft %s=PATH", n.Name, n.Name)
			}
		}
	}
	return out, nil
}

// loadModels makes every named model resident; a file named twice is loaded once.
func (m *modelFlags) loadModels(con *console) (*inference.Set, error) {
	return m.loadObserved(con, nil)
}

func (m *modelFlags) loadObserved(con *console, observer inference.Observer) (*inference.Set, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	models := m.named()
	dev, err := m.announce(m.planFor(con.err))
	if err != nil {
		return nil, err
	}
	m.card = newCard(dev)
	if m.lostTo != nil {
		m.lostTo(m.card)
	}
	if isNone(models) {
		return inference.NewSet(nil, nil, "")
	}
	drafts, err := m.draftPaths(models)
	if err != nil {
		return nil, err
	}
	host, err := m.planHost()
	if host != nil && m.tell != nil {
		m.tell(host)
	}
	if err != nil {
		return nil, err
	}
	threads, found, err := m.place()
	if err != nil {
		return nil, err
	}
	var names []string
	engines, byPath := map[string]*inference.Engine{}, map[string]*inference.Engine{}
	closeAll := func() {
		for _, e := range byPath {
			e.Close()
		}
	}
	for _, spec := range models {
		path, err := catalog.Resolve(spec.Path, supply.Dir())
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("model %s: %w", spec.Name, err)
		}
		if engines[spec.Name] != nil {
			closeAll()
			return nil, usagef("--model %s is given twice", spec.Name)
		}
		if byPath[path] == nil {
			layers, cells := m.fit(dev.plan, spec.Name)
			if host != nil && dev.plan == nil {
				_, cells = m.fit(&host.Plan, spec.Name)
			}
			byPath[path], err = inference.Load(inference.LoadConfig{
				Config: inference.Config{
					Name: spec.Name, Cells: cells, GPU: m.card.onGPU(), Parallel: m.Parallel, MaxQueue: m.MaxQueue,
					StepBudget: m.StepBudget, Deterministic: m.Deterministic, Speculate: m.speculation(), Synthetic: m.Synthetic, Observer: observer, Log: slog.Default(),
				},
				Path: path, DraftPath: drafts[spec.Name], GPULayers: layers, Threads: threads, CPUs: m.CPUs, KVType: m.KVType, GPUSampling: inference.GPUSampling(m.GPUSampling),
				KV:       inference.TierConfig{Host: int64(m.KVHost) / int64(len(models)), Dir: m.KVDir, Disk: int64(m.KVDisk) / int64(len(models))},
				CostDir:  filepath.Join(supply.Dir(), "cost"),
				Progress: loadProgress(con, spec.Name),
			})
			if err != nil {
				delete(byPath, path)
				closeAll()
				return nil, fmt.Errorf("model %s: %w", spec.Name, err)
			}
		}
		engines[spec.Name] = byPath[path]
		names = append(names, spec.Name)
	}
	set, err := inference.NewSet(names, engines, m.QualityModel)
	if err != nil {
		closeAll()
		return nil, &usageError{err.Error()}
	}
	slog.Info("processors", found) // behind the models: an error stands alone
	return set, nil
}

// loadProgress draws a bar on a terminal; elsewhere the log's line at the end
// has to do, because a load takes less time than a second line would be worth.
func loadProgress(con *console, name string) func(float32) bool {
	if con == nil || !isTerminal(con.err) {
		return nil
	}
	bar := progressbar.NewOptions(100, progressbar.OptionSetWriter(con.err), progressbar.OptionSetDescription("loading "+name), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(50*time.Millisecond))
	return func(fraction float32) bool {
		_ = bar.Set(int(fraction * 100)) // drawing may fail, loading goes on
		return true
	}
}

// isTerminal tells whether w is a character device.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// pullProgress draws a byte bar on a terminal and writes a line every tenth
// elsewhere.
func pullProgress(con *console, name string) func(have, total int64) {
	if isTerminal(con.err) {
		var bar *progressbar.ProgressBar
		return func(have, total int64) {
			if bar == nil {
				bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(con.err), progressbar.OptionSetDescription("pulling "+name), progressbar.OptionShowBytes(true), progressbar.OptionThrottle(100*time.Millisecond))
			}
			_ = bar.Set64(have) // drawing may fail, pulling goes on
		}
	}
	tenth := int64(-1)
	return func(have, total int64) {
		if total > 0 && have*10/total != tenth {
			tenth = have * 10 / total
			fmt.Fprintf(con.err, "pulling %s: %d %% of %d MB\n", name, tenth*10, total/1e6)
		}
	}
}
