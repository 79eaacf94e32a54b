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
	guess   guesser

	preempted int64
	steps     int64
	rowsDone  int64
}

func (s *scheduler) init(e *Engine) {
	s.e = e
	s.tree = s.newTree(e)
	s.cost = newCostModel()
	s.guess.init(e.cfg)
}

// newTree is the tree of an empty memory.
func (s *scheduler) newTree(e *Engine) *kvcache.Tree {
	return kvcache.New(e.ctx, kvcache.Config{Cells: e.cfg.Cells, Sequences: e.cfg.Sequences, Ordered: e.cfg.Deterministic})
}

// step does one round and tells whether there was anything to do.
func (s *scheduler) step() bool {
	s.reap()
	s.admit()
	if len(s.active) == 0 {
		return false
	}
	s.plan()
	if len(s.batch.Tokens) == 0 {
		// Everything active was pushed out for cells: let the queue decide anew.
		return len(s.active) > 0 || s.queued() > 0
	}
	began := time.Now()
	err := s.e.ctx.Step(&s.batch)
	now := time.Now()
	if err != nil {
		s.failed(err)
		return true
	}
	s.cost.learn(s.load, now.Sub(began))
	s.e.cfg.Observer.Step(s.e.cfg.Name, len(s.batch.Tokens), now.Sub(began).Microseconds())
	s.deliver(now)
	s.publish()
	return true
}

func (s *scheduler) queued() int {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return len(s.e.waiting)
}

// reap ends tasks whose clients left.
func (s *scheduler) reap() {
	for i := len(s.active) - 1; i >= 0; i-- {
		if t := s.active[i]; t.left.Load() {
			s.end(t, FinishCancelled, nil)
		}
	}
	e := s.e
	e.mu.Lock()
	var gone []*task
	e.waiting = slices.DeleteFunc(e.waiting, func(t *task) bool {
		if t.left.Load() {
			gone = append(gone, t)
			return true
		}
		return false
	})
	e.mu.Unlock()
	for _, t := range gone {
		s.end(t, FinishCancelled, nil)
	}
}

// admit moves waiting tasks into the running set while there are places and
// cells: interactive before batch, in order of arrival. A task whose prompt
// begins like one that is being read right now waits for it instead of reading
// the same tokens again; others may pass it.
func (s *scheduler) admit() {
	e := s.e
	for len(s.active) < e.cfg.Parallel {
		e.mu.Lock()
		var t *task
		for _, w := range e.waiting {
			if s.mustWait(w) || t != nil && w.req.Priority >= t.req.Priority {
				continue
			}
			t = w
		}
		if t != nil {
			i := slices.Index(e.waiting, t)
			e.waiting = slices.Delete(e.waiting, i, i+1)
			e.running.Add(1)
		}
		e.mu.Unlock()
		if t == nil {
			return
		}
		if !s.start(t) {
			e.mu.Lock()
			e.waiting = slices.Insert(e.waiting, 0, t)
			e.mu.Unlock()
			e.running.Add(-1)
			return
		}
	}
}

// minShared is the shortest common beginning worth waiting for.
const minShared = 32

// mustWait tells whether t should wait for a running task to compute a prefix
// that both share.
func (s *scheduler) mustWait(t *task) bool {
	if w := t.waitFor; w != nil {
		if w.open && w.filled < t.waitAt {
			return true
		}
		t.waitFor = nil
	}
	for _, a := range s.active {
		if a.generated > 0 && a.filled >= len(a.req.Prompt) {
			continue
		}
		common := min(t.shared(a), len(t.tokens)-1)
		if common > a.filled && common-a.filled >= minShared && common-s.tree.Match(t.req.Namespace, t.tokens) >= minShared {
			t.waitFor, t.waitAt = a, common
			return true
		}
	}
	return false
}

// start gives a task a sequence; false when cells are short and running tasks
// will free some.
func (s *scheduler) start(t *task) bool {
	need := len(t.tokens) - s.tree.Match(t.req.Namespace, t.tokens) + 32*(len(s.active)+1)
	if len(s.active) > 0 && s.tree.Available() < need {
		return false
	}
	seq, held, err := s.tree.Open(t.req.Namespace, t.tokens, len(t.tokens)-1)
	if err != nil {
		if errors.Is(err, kvcache.ErrNoSequence) && len(s.active) > 0 {
			return false
		}
		s.active = append(s.active, t)
		s.end(t, FinishError, err)
		return true
	}
	t.seq, t.open, t.filled = seq, true, held
	if t.started.IsZero() {
		t.started, t.cached = time.Now(), held
	}
	s.active = append(s.active, t)
	return true
}

// plan fills the batch: the newest token of every generating sequence first,
// then prompt chunks in order of urgency within what the budget leaves. When a
// task had to be pushed out it begins anew: that one's rows may be in the batch.
func (s *scheduler) plan() {
	for !s.fill() {
		for _, a := range s.active {
			s.undo(a)
		}
	}
}

// fill is plan, once; false when a task was pushed out or ended.
func (s *scheduler) fill() bool {
	s.batch.Reset()
	s.load = stepLoad{}
	s.prefill = s.prefill[:0]
	for _, t := range s.active {
		t.group, t.rows, t.draft = -1, 0, t.draft[:0]
	}
	for _, t := range s.active {
		if !t.decoding() {
			s.prefill = append(s.prefill, t)
		}
	}
	s.draft()
	for _, t := range s.active {
		if t.decoding() && !s.add(t, 1) {
			return false
		}
	}
	if len(s.prefill) == 0 {
		return true
	}
	now := time.Now()
	slices.SortStableFunc(s.prefill, func(a, b *task) int {
		switch ua, ub := a.urgency(now), b.urgency(now); {
		case ua < ub:
			return -1
		case ua > ub:
			return 1
		}
		return 0
	})
	budget, least := s.e.cfg.StepBudget, minChunk
	if len(s.batch.Tokens) == 0 {
		budget, least = 2*budget, 2*minChunk // nobody streams
	}
	for _, t := range s.prefill {
		rows := len(s.batch.Tokens)
		room := min(t.pending(), s.e.cfg.BatchRows-rows)
		if room <= 0 {
			return true
		}
		k := s.cost.chunk(s.load, t.filled, budget, min(least, room), room)
		if rows > 0 && least == 0 && s.cost.predict(s.load.with(k, t.filled)) > budget {
			return true
		}
		if !s.add(t, k) {
			return false
		}
		least = 0
	}
	return true
}

// minChunk is the fewest prompt rows read beside running streams, so that a
// prompt makes progress whatever the budget says.
const minChunk = 4

// add puts t's next k tokens and its guesses into the batch. It returns false
// when there were no cells: then a task was pushed out or ended, t itself perhaps.
func (s *scheduler) add(t *task, k int) bool {
	if k <= 0 {
		return true
	}
	n := len(t.tokens)
	t.tokens = append(t.tokens, t.draft...) // behind its end: they are not t's yet
	next := t.tokens[t.filled : t.filled+k+len(t.draft)]
	t.tokens = t.tokens[:n]
	cells, err := s.tree.Extend(t.seq, next, s.cells[:0])
	if errors.Is(err, kvcache.ErrFull) && len(t.draft) > 0 {
		t.draft, next = t.draft[:0], next[:k]
		cells, err = s.tree.Extend(t.seq, next, s.cells[:0])
	}
	s.cells = cells[:0]
	if errors.Is(err, kvcache.ErrFull) {
		s.makeRoom(t)
		return false
	}
	if err != nil {
		s.failed(err)
		return false
	}
	first := len(s.batch.Tokens)
	for i, tok := range next {
		s.batch.Add(tok, llama.Pos(t.filled+i), t.seq)
	}
	s.batch.Cells = append(s.batch.Cells, cells...)
	t.rows = len(next)
	s.load = s.load.with(t.rows, t.filled)
	if t.filled+k == n {
		t.group = len(s.batch.Groups)
		s.batch.Groups = append(s.batch.Groups, llama.Group{Sampler: t.sampler, First: first + k - 1, Rows: 1 + len(t.draft)})
		s.load.outputs += 1 + len(t.draft)
	}
	return true
}

// undo takes a task's planned rows back.
func (s *scheduler) undo(t *task) {
	if t.rows > 0 {
		if err := s.tree.Truncate(t.seq, t.filled); err != nil {
			s.e.cfg.Log.Error("taking back planned rows", "engine", s.e.cfg.Name, "error", err)
		}
	}
	t.group, t.rows, t.draft = -1, 0, t.draft[:0]
}

// makeRoom answers a lack of cells: the least important running task, the
// youngest among equals, goes back to the queue (its tokens stay as an idle
// prefix as long as nobody needs the cells). A task alone has the whole buffer,
// so its answer ends by length.
func (s *scheduler) makeRoom(t *task) {
	if len(s.active) == 1 {
		s.end(t, FinishLength, nil)
		return
	}
	victim := s.active[0]
	for _, a := range s.active[1:] {
		if a.req.Priority > victim.req.Priority || a.req.Priority == victim.req.Priority && a.submitted.After(victim.submitted) {
			victim = a
		}
	}
	s.undo(victim)
	s.preempted++
	s.release(victim)
	s.e.mu.Lock()
	s.e.waiting = slices.Insert(s.e.waiting, 0, victim)
	s.e.mu.Unlock()
}

// release takes t out of the running set and leaves its tokens as idle prefix.
func (s *scheduler) release(t *task) {
	if i := slices.Index(s.active, t); i >= 0 {
		s.active = slices.Delete(s.active, i, i+1)
		s.e.running.Add(-1)
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
}

// restart fails everything that runs and begins with an empty memory.
func (s *scheduler) restart(err error) {
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
	s.steps++
	s.rowsDone += int64(len(s.batch.Tokens))
	box := &s.e.stats
	box.mu.Lock()
	box.s = Stats{Steps: s.steps, Rows: s.rowsDone, Preempted: s.preempted, Cache: s.tree.Stats(), Speculation: s.guess.stats}
	box.mu.Unlock()
}
