package inference

import (
	"slices"
	"time"
)

// batchAge is how long a batch request waits before it counts as interactive, so
// that it is served whatever comes.
const batchAge = 15 * time.Second

// class is 0 for what goes first, 1 for the rest, 2 for reading ahead.
func (t *task) class(now time.Time) int {
	if t.ahead {
		return 2
	}
	if t.req.Priority == Batch && now.Sub(t.submitted) < batchAge {
		return 1
	}
	return 0
}

// account is what a namespace was given, in the spirit of start-time fair
// queueing (Goyal, Vin, Cheng 1996): served rises with the rows computed for it,
// divided by its weight; who has the least goes first.
type account struct {
	served  float64
	running int
	weight  float64
}

// maxAccounts bounds how many idle namespaces are remembered.
const maxAccounts = 1024

// account finds or opens a namespace's account. A new one starts where the least
// served of the running ones stands: nobody saves up for a burst.
func (s *scheduler) account(t *task) *account {
	a := s.accounts[t.req.Namespace]
	if a == nil {
		if len(s.accounts) >= maxAccounts {
			for space, old := range s.accounts {
				if old.running == 0 {
					delete(s.accounts, space)
				}
			}
		}
		a = &account{}
		s.accounts[t.req.Namespace] = a
	}
	if a.weight = t.req.Weight; a.weight <= 0 {
		a.weight = 1
	}
	if a.running == 0 {
		a.served = max(a.served, s.floor())
	}
	return a
}

// floor is what the least served of the running namespaces was given.
func (s *scheduler) floor() float64 {
	least, any := 0.0, false
	for _, t := range s.active {
		if a := s.accounts[t.req.Namespace]; a != nil && (!any || a.served < least) {
			least, any = a.served, true
		}
	}
	return least
}

// charge books a step's rows to their namespaces.
func (s *scheduler) charge() {
	for _, t := range s.active {
		if t.rows > 0 && t.account != nil {
			t.account.served += float64(t.rows) / t.account.weight
		}
	}
}

// before tells whether waiting task a is served before b: by class, then the
// namespace with the fewest places for its weight, then the one served least,
// then in order of arrival.
func (s *scheduler) before(a, b *task, now time.Time) bool {
	if ca, cb := a.class(now), b.class(now); ca != cb {
		return ca < cb
	}
	if a.req.Namespace != b.req.Namespace {
		aa, ab := s.account(a), s.account(b)
		pa, pb := float64(aa.running)/aa.weight, float64(ab.running)/ab.weight
		switch {
		case pa != pb:
			return pa < pb
		case aa.served != ab.served:
			return aa.served < ab.served
		}
	}
	return a.submitted.Before(b.submitted)
}

// displace pushes out the running task that is due least when t is due more: one
// of a lower class, or of a namespace that has more than its share of the places
// while t's has less. The youngest goes, back to the queue's front; its tokens
// stay as an idle prefix.
func (s *scheduler) displace(t *task, now time.Time) bool {
	mine := s.account(t)
	var victim *task
	for _, a := range s.active {
		worse := a.class(now) > t.class(now)
		if !worse && a.class(now) == t.class(now) && a.req.Namespace != t.req.Namespace {
			theirs := a.account
			worse = float64(theirs.running-1)/theirs.weight >= float64(mine.running+1)/mine.weight
		}
		if worse && (victim == nil || a.class(now) > victim.class(now) || a.class(now) == victim.class(now) && a.submitted.After(victim.submitted)) {
			victim = a
		}
	}
	if victim == nil {
		return false
	}
	s.pushOut(victim)
	return true
}

// pushOut sends a running task back to the queue. Reading ahead is given up.
func (s *scheduler) pushOut(t *task) {
	s.undo(t)
	if t.ahead {
		s.end(t, FinishCancelled, nil)
		return
	}
	s.preempted++
	s.release(t)
	s.e.mu.Lock()
	s.e.waiting = slices.Insert(s.e.waiting, 0, t)
	s.e.mu.Unlock()
}

// knownMachine is how many steps the cost model must have seen before anybody is
// refused for what it says.
const knownMachine = 20

// refuse takes tasks out of the queue whose first token can no longer come
// before their deadline, even if the estimate is a fifth too long. The engine's
// lock is held.
func (s *scheduler) refuse(now time.Time) {
	s.e.waiting = slices.DeleteFunc(s.e.waiting, func(t *task) bool {
		if t.req.Deadline.IsZero() || t.generated > 0 || t.refused != nil {
			return t.refused != nil
		}
		if s.cost.n < knownMachine {
			return false
		}
		if wait := s.firstToken(t) * 8 / 10; now.Add(wait).After(t.req.Deadline) {
			t.refused = &DeadlineError{Estimate: now.Sub(t.submitted) + wait}
			s.refused = append(s.refused, t)
			return true
		}
		return false
	})
}

// endRefused tells the tasks that refuse took out. It needs the engine's lock free.
func (s *scheduler) endRefused() {
	for _, t := range s.refused {
		s.e.cfg.Observer.Rejected(s.e.cfg.Name, "deadline")
		s.end(t, FinishError, t.refused)
	}
	s.refused = s.refused[:0]
}

// firstToken estimates how long t would read its prompt if it had a place now,
// with what is cached taken off: whole chunks of what the step budget allows.
func (s *scheduler) firstToken(t *task) time.Duration {
	rest := len(t.tokens) - s.tree.Match(t.space, t.tokens)
	depth := len(t.tokens) - rest/2
	beside := stepLoad{}
	for _, a := range s.active {
		if a.decoding() {
			beside = beside.with(1, a.filled)
			beside.outputs++
		}
	}
	budget := s.e.cfg.StepBudget + s.cost.predict(beside)
	if beside.rows == 0 {
		budget = 2 * s.e.cfg.StepBudget
	}
	most := max(min(rest, s.e.cfg.BatchRows-beside.rows), 1)
	k := s.cost.chunk(beside, depth, budget, min(s.leastChunk(), most), most)
	steps := (rest + k - 1) / k
	return time.Duration(max(steps, 1)) * s.cost.predict(beside.with(k, depth))
}
