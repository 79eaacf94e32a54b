package inference

import (
	"errors"
	"slices"
	"time"

	"repartee/inference/llama"
	"repartee/kvcache"
)

// scheduler is the loop's state; only the engine's goroutine touches it.
type scheduler struct {
	e       *Engine
	tree    *kvcache.Tree
	cost    *costModel
	active  []*task // admitted: prefilling or decoding
	prefill []*task // scratch: active tasks that still read their prompt
	batch   llama.Batch
	cells   []int32  // scratch
	load    stepLoad // of the batch so far, for the cost model
	rows    int      // of the last step
	guess   guesser
	yield   yielding
	tiers   tiers

	accounts map[string]*account // by namespace
	refused  []*task             // scratch

	preempted   int64
	shifts      int64
	shifted     int64 // tokens
	aheadTokens int64
	steps       int64
	rowsDone    int64
	parts       StepParts
	generated   int64
}

func (s *scheduler) init(e *Engine) {
	s.e = e
	s.tree = s.newTree(e)
	s.cost = newCostModel(e.cfg.GPU.Active)
	s.cost.load(e.cfg.CostFile)
	s.cost.fixed = e.cfg.fixed
	s.guess.init(e)
	s.yield.threads, s.yield.now = e.cfg.threads, e.cfg.threads
	s.yield.join(e.cfg)
	s.initTiers()
	s.accounts = map[string]*account{}
}

// newTree is the tree of an empty memory.
func (s *scheduler) newTree(e *Engine) *kvcache.Tree {
	return kvcache.New(e.ctx, kvcache.Config{Cells: e.cfg.Cells, Sequences: e.cfg.Sequences, Ordered: e.cfg.Deterministic})
}

// step does one round and tells whether there was anything to do.
func (s *scheduler) step() bool {
	awake := time.Now()
	s.runErrands()
	s.reap()
	if s.joins(time.Now()) {
		s.admit()
	}
	s.restore()
	if len(s.active) == 0 {
		s.compute(false)
		s.publish()
		return false
	}
	s.compute(true)
	s.plan()
	if len(s.batch.Tokens) == 0 {
		// Everything active was pushed out for cells, or had nothing left to read:
		// let the queue decide anew.
		s.publish()
		return len(s.active) > 0 || s.queued() > 0
	}
	s.share()
	if !s.enter() { // Close ends everything
		for _, a := range s.active {
			s.undo(a)
		}
		return false
	}
	s.load.joined = len(s.batch.Tokens) != s.rows
	s.rows = len(s.batch.Tokens)
	began := time.Now()
	err := s.e.ctx.Step(&s.batch)
	now := time.Now()
	s.leave()
	s.e.lastStep.Store(now.UnixNano())
	if err != nil {
		s.failed(err)
		return true
	}
	head := time.Duration(s.batch.HeadMicros) * time.Microsecond
	s.cost.learn(s.load, now.Sub(began)-head)
	if s.guess.model != nil {
		s.guess.model.stepped(&s.batch, s.load)
		s.guess.step.draft += head
	}
	s.charge()
	s.e.cfg.Observer.Step(s.e.cfg.Name, len(s.batch.Tokens), now.Sub(began).Microseconds())
	s.deliver(now)
	s.guess.paid()
	done := time.Now()
	s.save()
	s.steps++
	s.rowsDone += int64(len(s.batch.Tokens))
	s.parts.add(&s.batch, began.Sub(awake), now.Sub(began), done.Sub(now), time.Since(done))
	s.publish()
	return true
}

// release takes t out of the running set and leaves its tokens as idle prefix.
func (s *scheduler) release(t *task) {
	if i := slices.Index(s.active, t); i >= 0 {
		s.active = slices.Delete(s.active, i, i+1)
		s.e.count(t, -1)
		if !t.ahead {
			t.account.running--
		}
	}
	if s.guess.model != nil {
		s.guess.model.leave(t)
	}
	if t.open {
		t.open = false
		if err := s.tree.Close(t.seq, true); err != nil {
			s.e.cfg.Log.Error("closing a sequence", "engine", s.e.cfg.Name, "error", err)
		}
	}
}

// failed handles a step that did not happen.
func (s *scheduler) failed(err error) {
	for _, t := range s.active {
		s.undo(t)
	}
	switch {
	case errors.Is(err, llama.ErrAborted):
		return // Close or a client that left; the loop looks again
	case errors.Is(err, llama.ErrNoCells) && len(s.active) > 0:
		s.makeRoom(s.active[0])
		return
	}
	s.e.cfg.Log.Error("step failed", "engine", s.e.cfg.Name, "rows", len(s.batch.Tokens), "error", err)
	s.restart(err)
	s.lost(err)
}

// restart fails everything that runs and begins with an empty memory.
func (s *scheduler) restart(err error) {
	if s.guess.model != nil {
		s.guess.model.restart()
	}
	for len(s.active) > 0 {
		t := s.active[len(s.active)-1]
		t.open = false // the tree is thrown away
		s.end(t, FinishError, err)
	}
	if err := s.e.ctx.Clear(); err != nil {
		s.e.cfg.Log.Error("clearing the memory", "engine", s.e.cfg.Name, "error", err)
	}
	s.tree = s.newTree(s.e)
}

// failAll ends everything, the queue too.
func (s *scheduler) failAll(err error) {
	for len(s.active) > 0 {
		s.end(s.active[len(s.active)-1], FinishError, err)
	}
	s.e.mu.Lock()
	waiting := s.e.waiting
	s.e.waiting = nil
	s.e.mu.Unlock()
	for _, t := range waiting {
		s.end(t, FinishError, err)
	}
}

// publish copies the counters to where Stats reads them.
func (s *scheduler) publish() {
	s.look()
	box := &s.e.stats
	if d := s.guess.model; d != nil {
		s.guess.stats.Model = d.books().stats
	}
	box.mu.Lock()
	box.s = Stats{Steps: s.steps, Rows: s.rowsDone, Generated: s.generated, Preempted: s.preempted, Shifts: s.shifts, Shifted: s.shifted, AheadTokens: s.aheadTokens, Parts: s.parts, Cache: s.tree.Stats(), Speculation: s.guess.stats, Tiers: s.tierStats()}
	box.mu.Unlock()
}
