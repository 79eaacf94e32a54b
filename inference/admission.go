package inference

import (
	"errors"
	"slices"
	"time"

	"repartee/kvcache"
)

func (s *scheduler) queued() int {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return len(s.e.waiting)
}

// reap ends tasks whose clients left, and those that have read what they had to.
func (s *scheduler) reap() {
	for i := len(s.active) - 1; i >= 0; i-- {
		switch t := s.active[i]; {
		case t.left.Load():
			s.end(t, FinishCancelled, nil)
		case t.ahead && t.pending() == 0:
			s.end(t, FinishStop, nil)
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
// cells, in the order of before. A task whose prompt begins like one that is
// being read right now waits for it instead of reading the same tokens again;
// others may pass it. Where all places are taken, a task that is due more than a
// running one takes its place.
func (s *scheduler) admit() {
	e := s.e
	now := time.Now()
	for {
		e.mu.Lock()
		s.refuse(now)
		var t *task
		for _, w := range e.waiting {
			if !s.mustWait(w) && (t == nil || s.before(w, t, now)) {
				t = w
			}
		}
		e.mu.Unlock()
		s.endRefused()
		if t == nil || len(s.active) >= e.cfg.Parallel && !s.displace(t, now) {
			return
		}
		e.mu.Lock()
		i := slices.Index(e.waiting, t)
		e.waiting = slices.Delete(e.waiting, i, i+1)
		e.count(t, 1)
		e.mu.Unlock()
		if !s.start(t) {
			e.mu.Lock()
			e.waiting = slices.Insert(e.waiting, 0, t)
			e.mu.Unlock()
			e.count(t, -1)
			return
		}
	}
}

// minShared is the shortest common beginning worth waiting for.
const minShared = 32

// mustWait tells whether t should wait for a running task to compute a prefix
// that both share.
func (s *scheduler) mustWait(t *task) bool {
	if s.fetching(t) {
		return true
	}
	if w := t.waitFor; w != nil {
		if w.open && w.filled < t.waitAt && w.shifts() == t.waitShifts {
			return true
		}
		t.waitFor = nil
	}
	for _, a := range s.active {
		if a.generated > 0 && a.pending() <= 1 {
			continue
		}
		common := min(t.shared(a), len(t.tokens)-1)
		if common > a.filled && common-a.filled >= minShared && common-s.tree.Match(t.space, t.tokens) >= minShared {
			t.waitFor, t.waitAt, t.waitShifts = a, common, a.shifts()
			if a.ahead && !t.ahead {
				a.left.Store(true) // t goes on where it stands after this step
			}
			return true
		}
	}
	return false
}

// start gives a task a sequence; false when cells are short and running tasks
// will free some.
func (s *scheduler) start(t *task) bool {
	need := len(t.tokens) - s.tree.Match(t.space, t.tokens) + 32*(len(s.active)+1)
	if len(s.active) > 0 && s.tree.Available() < need {
		return false
	}
	limit := len(t.tokens) - 1 // the last one is computed for its logits
	if t.ahead {
		limit = len(t.tokens)
		s.retract(t)
	}
	seq, held, err := s.tree.Open(t.space, t.tokens, limit)
	if err != nil {
		if errors.Is(err, kvcache.ErrNoSequence) && len(s.active) > 0 {
			return false
		}
		s.run(t)
		s.end(t, FinishError, err)
		return true
	}
	t.seq, t.open, t.filled = seq, true, held
	first := t.started.IsZero()
	if first {
		t.started, t.cached = time.Now(), held
		if t.req.Truncated > 0 {
			s.shifts++
			s.shifted += int64(t.req.Truncated)
		}
	}
	s.beginRestore(t, first)
	s.guess.begins(t)
	s.run(t)
	return true
}

// run takes a task into the running set.
func (s *scheduler) run(t *task) {
	t.account = s.account(t)
	if !t.ahead {
		t.account.running++
	}
	s.active = append(s.active, t)
}
