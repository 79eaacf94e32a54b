package inference

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"repartee/inference/llama"
	"repartee/kvcache"
)

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
		t.group, t.rows, t.draft, t.wants = -1, 0, t.draft[:0], false
	}
	for _, t := range s.active {
		if !t.decoding() && !t.restoring() && t.pending() > 0 {
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
		return cmp.Or(
			cmp.Compare(a.class(now), b.class(now)),
			cmp.Compare(a.account.served, b.account.served),
			cmp.Compare(a.urgency(now), b.urgency(now)),
		)
	})
	// The budget is what reading may add to the streams' own rows.
	budget, least := s.e.cfg.StepBudget+s.cost.predict(s.load), s.leastChunk()
	if len(s.batch.Tokens) == 0 {
		budget, least = 2*s.e.cfg.StepBudget, 2*s.leastChunk() // nobody streams
	}
	for _, t := range s.prefill {
		rows := len(s.batch.Tokens)
		room := min(t.pending(), s.e.cfg.BatchRows-rows)
		if room <= 0 {
			return true
		}
		if t.ahead { // nobody waits for it: others' rows and the next request come first
			budget, least = min(budget, s.e.cfg.StepBudget+s.cost.predict(s.load)), 0
			if rows == 0 {
				least = s.leastChunk()
			}
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

// minChunk is leastChunk on a processor.
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
	if t.filled+k == n && !t.ahead {
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
// so it shifts, or its answer ends by length.
func (s *scheduler) makeRoom(t *task) {
	if len(s.active) == 1 {
		s.undo(t)
		if !s.shift(t) {
			s.end(t, FinishLength, nil)
		}
		return
	}
	victim := s.active[0]
	for _, a := range s.active[1:] {
		if a.ahead && !victim.ahead || a.req.Priority > victim.req.Priority || a.req.Priority == victim.req.Priority && a.submitted.After(victim.submitted) {
			victim = a
		}
	}
	s.pushOut(victim)
}
