package inference

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"repartee/inference/llama"
	"repartee/kvcache"
	"repartee/kvcache/tier"
)

// Config is the size and the pace of an engine.
type Config struct {
	Name      string
	Cells     int // KV cells of the context
	Sequences int // sequence ids of the context, more than Parallel
	Parallel  int // most sequences decoded in one step
	MaxQueue  int // most requests waiting
	BatchRows int // most rows in a step
	// StepBudget is the longest time one step may hold running streams back.
	StepBudget time.Duration
	// Deterministic keeps every sequence's cells in order, so that an answer does
	// not depend on who else is served; see independence for the rest of it.
	Deterministic bool
	// Speculate is SpeculateOff, or anything else for guesses wherever they pay.
	Speculate Speculation
	// Draft guesses tokens beside what is copied; the engine owns its context, and
	// Owned. nil = none.
	Draft *DraftModel
	// Synthetic is the chance with which each token of an answer that was given
	// before is guessed, for benchmarks: see speculation.Rehearsal. No other guesses
	// are made then. 0 = off.
	Synthetic float64
	force     func(proposed int) int // tests choose the guesses' depth
	fixed     bool                   // tests: what steps cost is not learned
	threads   int                    // of the context, for Yield; 0 = unknown
	processor *cpuShare              // nil = nobody else's
	cpus      []int                  // that it computes on, neighbours near each other; empty = any
	// CostFile keeps what steps cost between processes; empty = nowhere.
	CostFile string
	// GPU is how a GPU is used, if one is.
	GPU OnGPU
	// Tiers keep what leaves the cells; the engine owns them. nil = none.
	Tiers *tier.Store
	// Embedder makes what Embed computes with; nil = Embed is refused.
	Embedder func() (Embedder, error)
	Observer Observer     // nil = nobody
	Log      *slog.Logger // nil = slog.Default()
}

// withDefaults fills what is left out.
func (c Config) withDefaults() Config {
	if c.Parallel <= 0 {
		c.Parallel = 8
	}
	if c.MaxQueue <= 0 {
		c.MaxQueue = 64
	}
	if c.BatchRows <= 0 {
		c.BatchRows = 512
		if c.GPU.Active {
			c.BatchRows = gpuRows
		}
	}
	if c.StepBudget <= 0 {
		c.StepBudget = 50 * time.Millisecond
	}
	if c.Sequences <= c.Parallel {
		c.Sequences = min(c.Parallel+56, llama.MaxSequences)
	}
	if c.Observer == nil {
		c.Observer = noObserver{}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.processor == nil {
		c.processor = &cpuShare{}
	}
	return c
}

// Engine is one resident model and its scheduler. All methods may be called
// from any goroutine.
type Engine struct {
	cfg       Config
	model     Model
	ctx       Context
	info      llama.ModelInfo
	text      *tokenizer
	grammars  *grammars
	embedding *embedding
	owned     interface{ Close() } // closed behind the context; nil = the caller's

	mu      sync.Mutex
	waiting []*task // submitted, not admitted; bounded by MaxQueue+Parallel
	closed  bool
	errands []func()     // for the scheduler, see errand
	running atomic.Int32 // admitted tasks
	outlook outlook

	wakeup   chan struct{}   // capacity 1
	life     context.Context // ends with Close
	die      context.CancelFunc
	lastStep atomic.Int64 // UnixNano
	quit     chan struct{}
	ended    chan struct{}

	stats statsBox
	sched scheduler
}

// New starts an engine over a loaded model and an empty context, which it owns
// from now on and closes at its end; the model stays the caller's.
func New(model Model, ctx Context, cfg Config) *Engine {
	e := newEngine(model, ctx, cfg)
	resident.Add(1)
	go e.run()
	return e
}

// newEngine is an engine whose loop does not run.
func newEngine(model Model, ctx Context, cfg Config) *Engine {
	cfg = cfg.withDefaults()
	e := &Engine{
		cfg: cfg, model: model, ctx: ctx, info: model.Info(), text: newTokenizer(model), grammars: newGrammars(model), embedding: newEmbedding(cfg),
		wakeup: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
	e.life, e.die = context.WithCancel(context.Background())
	e.sched.init(e)
	return e
}

// Name is the name the engine was configured with.
func (e *Engine) Name() string { return e.cfg.Name }

// Info describes the model.
func (e *Engine) Info() llama.ModelInfo { return e.info }

// ContextSize is the most tokens of prompt and answer together.
func (e *Engine) ContextSize() int {
	if e.info.ContextTrain > 0 {
		return min(e.cfg.Cells, e.info.ContextTrain)
	}
	return e.cfg.Cells
}

// Tokenize returns a text's tokens.
func (e *Engine) Tokenize(text string, addSpecial, parseSpecial bool) ([]Token, error) {
	return e.text.tokenize(text, addSpecial, parseSpecial)
}

// Detokenize returns the text of tokens, control tokens left out.
func (e *Engine) Detokenize(tokens []Token) string {
	var b []byte
	for _, t := range tokens {
		b = append(b, e.model.Piece(t, false)...)
	}
	return string(appendValid(nil, b))
}

// Piece returns one token's bytes, which must not be changed; nil for a
// control token unless special is set.
func (e *Engine) Piece(t Token, special bool) []byte { return e.model.Piece(t, special) }

// Render applies the model's chat template.
func (e *Engine) Render(in llama.TemplateInput) (llama.Rendered, error) { return e.model.Render(in) }

// ParseOutput takes a generated text apart into content and tool calls.
func (e *Engine) ParseOutput(r llama.Rendered, text string, partial bool) (llama.ParsedOutput, error) {
	return e.model.ParseOutput(r, text, partial)
}

// CompileGrammar compiles a grammar within the default budget, on the caller's
// goroutine.
func (e *Engine) CompileGrammar(spec llama.GrammarSpec) (*llama.Grammar, error) {
	return e.grammars.compile(spec)
}

// Submit queues a request, which the engine owns from now on. The end of ctx
// cancels it. It fails with ErrEmptyPrompt, PromptTooLongError, QueueFullError,
// DeadlineError, ErrClosed, or the sampler's error, and then nothing is queued.
func (e *Engine) Submit(ctx context.Context, r *Request) (*Stream, error) {
	if len(r.Prompt) == 0 {
		return nil, ErrEmptyPrompt
	}
	size := e.ContextSize()
	r.Truncate(size)
	if len(r.Prompt) >= size {
		e.cfg.Observer.Rejected(e.cfg.Name, "context_length")
		return nil, &PromptTooLongError{Prompt: len(r.Prompt), Context: size}
	}
	if r.Speculate == SpeculateDraft && e.sched.guess.model == nil {
		return nil, fmt.Errorf("inference: %w: model %q has no draft model: start with --draft %s=PATH", llama.ErrArgument, e.cfg.Name, e.cfg.Name)
	}
	if err := e.checkTokens(r.Prompt); err != nil {
		return nil, err
	}
	sampler, err := e.model.NewSampler(r.Sampling)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &task{req: r, space: cacheSpace(r.Namespace, r.CacheSalt), sampler: sampler, stream: newStream(cancel), tokens: r.Prompt, limit: size, group: -1, text: newTextOut(r.Stop), submitted: time.Now()}
	if r.MaxTokens > 0 {
		t.limit = min(size, len(r.Prompt)+r.MaxTokens)
	}
	t.shift = newShifting(r, size)
	t.tokens = make([]Token, len(r.Prompt), min(t.limit, len(r.Prompt)+512)+1)
	copy(t.tokens, r.Prompt)
	e.sched.guess.start(t)
	if sampler != nil {
		err = sampler.Accept(r.Prompt...)
	}
	if err == nil {
		t.watch(ctx, e.wake) // before the scheduler can see, and even end, the task
		err = e.enqueue(t)
	}
	if err != nil {
		cancel()
		if sampler != nil {
			sampler.Close()
		}
		return nil, err
	}
	e.wake()
	return t.stream, nil
}

// checkTokens refuses ids that the library would not survive.
func (e *Engine) checkTokens(tokens []Token) error {
	for _, t := range tokens {
		if t < 0 || int(t) >= e.info.VocabSize {
			return fmt.Errorf("inference: prompt token %d: %w, the vocabulary has %d tokens", t, llama.ErrArgument, e.info.VocabSize)
		}
	}
	return nil
}

// count books an admitted task; one that reads ahead takes no place, because
// anybody may push it out.
func (e *Engine) count(t *task, by int32) {
	if !t.ahead {
		e.running.Add(by)
	}
}

// enqueue admits t to the queue unless it is full.
func (e *Engine) enqueue(t *task) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	waiting := 0
	for _, w := range e.waiting {
		// Those that left take no place; the scheduler drops them with its next step.
		if !w.ahead && w.ctx.Err() == nil {
			waiting++
		}
	}
	estimate := e.outlook.wait(e.waiting, e.cfg.Parallel)
	if waiting+int(e.running.Load()) >= e.cfg.MaxQueue+e.cfg.Parallel || len(e.waiting) >= 8*(e.cfg.MaxQueue+e.cfg.Parallel) {
		e.cfg.Observer.Rejected(e.cfg.Name, "queue_full")
		return &QueueFullError{Waiting: waiting, RetryAfter: max(estimate, time.Second)}
	}
	if !t.req.Deadline.IsZero() && time.Now().Add(estimate).After(t.req.Deadline) {
		e.cfg.Observer.Rejected(e.cfg.Name, "deadline")
		return &DeadlineError{Estimate: estimate}
	}
	e.waiting = append(e.waiting, t)
	return nil
}

// wake lets the loop look at its queue again.
func (e *Engine) wake() {
	select {
	case e.wakeup <- struct{}{}:
	default:
	}
}

// Close ends all requests, stops the loop and frees the context.
func (e *Engine) Close() {
	e.mu.Lock()
	first := !e.closed
	e.closed = true
	e.mu.Unlock()
	if first {
		close(e.quit)
		e.die()
		e.ctx.Abort()
		if d := e.cfg.Draft; d != nil && d.Context != nil {
			d.Context.Abort()
		}
	}
	<-e.ended
	if first {
		if err := e.sched.cost.save(e.cfg.CostFile); err != nil {
			e.cfg.Log.Warn("keeping the step costs", "engine", e.cfg.Name, "error", err)
		}
		e.embedding.close()
		if e.owned != nil {
			e.owned.Close()
		}
	}
}

// run is the scheduler's goroutine. A panic in it ends every request with an
// error and starts over with an empty memory.
func (e *Engine) run() {
	runtime.LockOSThread()
	stay(e.cfg)
	defer close(e.ended)
	defer resident.Add(-1)
	defer e.sched.yield.leave(e.cfg.processor)
	defer e.sched.compute(false)
	defer e.ctx.Close()
	defer e.closeDraft()
	for !e.loop() {
	}
	e.sched.failAll(ErrClosed)
	e.sched.persist()
}

// loop runs steps until Close (true) or a panic (false).
func (e *Engine) loop() (stopped bool) {
	defer func() {
		if p := recover(); p != nil {
			e.cfg.Log.Error("scheduler panic", "engine", e.cfg.Name, "panic", p, "stack", string(debug.Stack()))
			e.sched.restart(fmt.Errorf("inference: internal error: %v", p))
		}
	}()
	for {
		select {
		case <-e.quit:
			return true
		default:
		}
		if e.sched.step() || e.sched.save() {
			continue
		}
		if resident.Load() > 1 {
			rest(e.ctx)
		}
		select {
		case <-e.quit:
			return true
		case <-e.wakeup:
		}
	}
}

// Stats is a momentary picture of an engine.
type Stats struct {
	Waiting, Running int
	Cache            kvcache.Stats
	Steps, Rows      int64
	Generated        int64 // tokens
	Preempted        int64
	Shifts, Shifted  int64 // context shifts, and the tokens they dropped
	AheadTokens      int64 // computed by Prefill
	Parts            StepParts
	Speculation      SpeculationStats
	Tiers            TierStats
}

type statsBox struct {
	mu sync.Mutex
	s  Stats
}

// Stats returns the engine's state as of its last step.
func (e *Engine) Stats() Stats {
	e.stats.mu.Lock()
	s := e.stats.s
	e.stats.mu.Unlock()
	e.mu.Lock()
	for _, w := range e.waiting {
		if !w.ahead {
			s.Waiting++
		}
	}
	e.mu.Unlock()
	s.Running = int(e.running.Load())
	s.Cache.Cells = e.cfg.Cells
	if e.cfg.Tiers != nil {
		s.Tiers.Stats = e.cfg.Tiers.Stats()
	}
	return s
}
