package inference

import (
	"math"
	"sort"
	"time"

	"repartee/speculation"
)

// draft chooses every generating sequence's guesses for the next step: a copy
// where one is likelier to pay than the draft model, else what that says.
func (s *scheduler) draft() {
	g := &s.guess
	if g.most == 0 {
		return
	}
	load, streams := stepLoad{}, 0
	for _, t := range s.active {
		if t.decoding() {
			load = load.with(1, t.filled)
			load.outputs++
			streams++
		}
	}
	g.step.plain, g.step.draft, g.step.streams = s.withGraphs(load, streams), 0, streams
	spent := time.Duration(0)
	if g.model != nil {
		spent = g.model.books().stats.Time
	}
	g.copying = g.copying[:0]
	rounds, gain := s.planDrafts(load, streams)
	left := stepLoad{rows: s.e.cfg.BatchRows - load.rows, outputs: g.outputs - load.outputs}
	free := s.tree.Available() - load.rows // idle prefixes make way
	n := 0
	for _, t := range s.active {
		if t.spec == nil || !t.decoding() {
			continue
		}
		t.beyond = nil
		t.room = min(t.guesses, t.limit-len(t.tokens)-1, left.outputs, left.rows, free)
		if t.room <= 0 {
			t.wants = false
			continue
		}
		g.earn(t)
		if g.script != nil {
			g.script.Give(t.spec, t.req.Prompt)
		}
		t.draft = t.spec.Propose(t.draft[:0], t.everything(), t.room, t.copies, g.library)
		if t.wants {
			k, better := s.depth(t, load, streams)
			if k == 0 || better < gain || !g.affords(t) || g.force != nil && k%2 == 0 {
				t.draft = t.draft[:0]
				g.wanting[n] = t
				n++
				continue
			}
			t.wants = false
		}
		if len(t.draft) > 0 {
			g.copying = append(g.copying, t)
		}
	}
	s.copies(&load, &left, &free, streams)
	if rounds > 0 && n > 0 {
		s.model(g.wanting[:n], rounds, load, streams)
		for _, t := range g.wanting[:n] {
			if len(t.draft) == 0 {
				continue
			}
			t.spec.Drafted(t.follow.probs)
			t.draft = t.draft[:min(len(t.draft), left.outputs, left.rows, max(free, 0))]
			k, _ := s.depth(t, load, streams)
			s.take(t, k, &load, &left, &free)
		}
		g.step.draft = g.model.books().stats.Time - spent
	}
	g.step.with = s.withGraphs(load, streams)
	if g.model != nil {
		m := g.model.books()
		m.trial.aside(g.step.plain)
		if g.step.draft > 0 {
			m.trial.spend(g.step.draft + g.step.with - g.step.plain)
		}
	}
}

// withGraphs predicts a step and the graphs that its number of rows makes necessary:
// one if the step before had another, and one on the way back to the streams' own
// rows.
func (s *scheduler) withGraphs(load stepLoad, streams int) time.Duration {
	load.joined = load.rows != s.rows
	took := s.cost.predict(load)
	if load.joined && s.rows == streams {
		took += s.cost.graph()
	}
	return took
}

// reach is how many of n guesses can pay at all, were every one of them right: among
// many streams few can, and the others need not be weighed one by one.
// base is the time of the step without them.
func (s *scheduler) reach(base time.Duration, load stepLoad, depth, n, streams int) int {
	// The sequence gains log(1+n) at most, each stream loses log(cost/base).
	most := time.Duration(float64(base) * math.Pow(float64(1+n), 1/float64(max(streams, 1))))
	return sort.Search(n, func(k int) bool { return s.cost.predict(load.guessing(k+1, depth)) > most })
}

// depth is how many of a task's proposed guesses to verify beside load.
func (s *scheduler) depth(t *task, load stepLoad, streams int) (int, float64) {
	n := len(t.draft)
	if n == 0 {
		return 0, 0
	}
	if s.guess.force != nil {
		return s.guess.force(n), 0
	}
	base := s.withGraphs(load, streams)
	if n = s.reach(base, load, t.filled, n, streams); n == 0 {
		return 0, 0
	}
	cost := func(k int) float64 { return s.withGraphs(load.guessing(k, t.filled), streams).Seconds() }
	return t.spec.Depth(n, streams, cost)
}

// copies chooses how many of the copies that tasks propose are verified, for all of
// them together.
func (s *scheduler) copies(load, left *stepLoad, free *int, streams int) {
	g := &s.guess
	if g.force != nil {
		for _, t := range g.copying {
			n := min(len(t.draft), left.outputs, left.rows, *free)
			s.take(t, min(g.force(n), n), load, left, free)
		}
		return
	}
	g.bids = g.bids[:0]
	follow := false // what a task may not verify is still to be compared
	for _, t := range g.copying {
		g.bids = append(g.bids, speculation.Bid{Of: t.spec, Most: len(t.draft)})
		follow = follow || !g.affords(t) && t.shadow.n == 0
	}
	most := min(left.outputs, left.rows, *free)
	price, rows := time.Duration(0), 0
	if follow {
		price, rows = s.together(*load, most, streams)
	}
	for i, t := range g.copying {
		if g.affords(t) {
			continue
		}
		if k := g.bids[i].K; k > 0 {
			t.shadow.cast(t.draft[:k], len(t.everything()), price*time.Duration(k)/time.Duration(rows))
		}
		g.bids[i].Most = 0
	}
	price, rows = s.together(*load, most, streams)
	for i, t := range g.copying {
		k := g.bids[i].K
		s.take(t, k, load, left, free)
		t.price = price * time.Duration(k) / time.Duration(max(rows, 1))
	}
}

// together chooses among the bids for at most most rows, and returns how many were
// chosen and what they cost all streams together.
func (s *scheduler) together(load stepLoad, most, streams int) (price time.Duration, rows int) {
	g := &s.guess
	at, base := load, s.withGraphs(load, streams)
	speculation.Together(g.bids, most, float64(streams), base.Seconds(), func(i int) float64 {
		at = at.guessing(1, g.copying[i].filled)
		return s.withGraphs(at, streams).Seconds()
	})
	for i, t := range g.copying {
		load = load.guessing(g.bids[i].K, t.filled)
		rows += g.bids[i].K
	}
	return (s.withGraphs(load, streams) - base) * time.Duration(streams), rows
}

// What a request's copies may cost more than they gain: lossSteps steps at its
// beginning and one part in lossShare of its time, sureSteps more where the guess is
// as good as certain. Chances are learned from all requests, and the next one may be
// of another kind; this holds whatever they say. keptSteps is the most that an
// earlier gain lets it lose again.
const (
	lossShare = 100
	lossSteps = 1
	sureSteps = 3
	keptSteps = 16
)

// affords tells whether a task's copies may go on.
func (g *guesser) affords(t *task) bool {
	least := time.Duration(0)
	if t.spec.Sure() {
		least = -sureSteps * g.step.plain
	}
	return t.credit > least
}

// earn gives a task what its guesses may lose by this step.
func (g *guesser) earn(t *task) {
	if !t.earned {
		t.credit, t.earned = lossSteps*g.step.plain, true
	}
	if t.shadow.follow(t.everything(), g.step.plain) {
		t.credit = max(t.credit, lossSteps*g.step.plain)
	}
	t.credit = min(t.credit+g.step.plain/lossShare, keptSteps*g.step.plain)
}

// take books the first k of a task's guesses. The next one is not verified, but the
// step says whether it would have been right: what was turned down is judged for
// nothing, and never has to be tried.
func (s *scheduler) take(t *task, k int, load, left *stepLoad, free *int) {
	t.draft, t.beyond = t.draft[:k], t.draft[k:min(k+1, len(t.draft))]
	*load = load.guessing(k, t.filled)
	left.rows, left.outputs, *free = left.rows-k, left.outputs-k, *free-k
}

// probeShare: of the time of steps, one part in so many may go into finding out
// whether a draft model that was turned down pays by now.
const probeShare = 200
