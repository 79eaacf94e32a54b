package inference

import (
	"math"
	"sort"
	"time"

	"repartee/inference/llama"
	"repartee/speculation"
)

// SpeculationStats counts guesses by where they came from, in the order of
// speculation.Source.
type SpeculationStats struct {
	Drafted, Accepted [speculation.Sources]int64
	// ByPlace counts the same by how far behind the known text a guess stood, from 0.
	ByPlace [speculation.Sources][speculation.MaxDraft]struct{ Drafted, Accepted int64 }
	// Saved is what guesses spared the streams: for each accepted one a step without
	// guesses, less what guesses cost everybody, by the cost model.
	Saved time.Duration
	Model DraftModelStats
}

// guesser is the scheduler's side of speculation.
type guesser struct {
	most    int // guesses of a sequence in one step; 0 = off
	outputs int // rows whose logits a step may ask for
	mode    Speculation
	library *speculation.Library
	rates   [2]*speculation.Rates // greedy, sampled
	model   drafter               // nil = none
	force   func(proposed int) int
	script  *speculation.Rehearsal // nil = none, see Config.Synthetic
	stats   SpeculationStats

	wanting []*task // scratch: tasks that the draft model may guess for
	step    struct {
		plain, with time.Duration // the step without and with its guesses
		draft       time.Duration // the draft model's time
		streams     int
	}
}

// outputRows is how many rows of a step may have logits: enough for a few
// sequences with deep guesses.
func outputRows(cfg Config) int {
	return min(cfg.BatchRows, max(16*cfg.Parallel, 1+speculation.MaxDraft))
}

func (g *guesser) init(e *Engine) {
	cfg := e.cfg
	if cfg.Speculate == SpeculateOff {
		return
	}
	*g = guesser{
		most: speculation.MaxDraft, outputs: outputRows(cfg), mode: cfg.Speculate, library: speculation.NewLibrary(), force: cfg.force,
		rates: [2]*speculation.Rates{speculation.NewRates(nil), speculation.NewRates(nil)},
	}
	if cfg.Synthetic > 0 {
		g.script = speculation.NewRehearsal(cfg.Synthetic)
		return
	}
	if cfg.Draft == nil || cfg.Speculate == SpeculateNgram {
		return
	}
	d, err := newDrafter(e, e.sched.cost)
	if err != nil {
		cfg.Log.Error("the draft model cannot be used", "engine", cfg.Name, "error", err)
		return
	}
	g.model = d
}

// start prepares a request's guesses, on the goroutine that submits it.
func (g *guesser) start(t *task) {
	r := t.req
	t.guesses = g.most
	if r.DraftMax > 0 {
		t.guesses = min(t.guesses, r.DraftMax)
	}
	if r.Speculate == SpeculateOff {
		t.guesses = 0
	}
	if t.guesses == 0 {
		return
	}
	mode := r.Speculate
	if mode == SpeculateAuto {
		mode = g.mode
	}
	t.copies, t.drafts = mode != SpeculateDraft, mode != SpeculateNgram
	kind := 0
	if r.Sampling.Temperature > 0 {
		kind = 1
	}
	t.spec = speculation.NewSequence(t.space, r.Prompt, r.Prediction, g.rates[kind])
	t.draft = make([]Token, 0, t.guesses)
}

// begins tells the drafter of a task that has its sequence.
func (g *guesser) begins(t *task) {
	if g.model != nil && t.drafts {
		g.model.begins(t)
	}
}

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
			load.rows++
			load.attended += t.filled
			load.outputs++
			streams++
		}
	}
	g.step.plain, g.step.draft, g.step.streams = s.withGraphs(load, streams), 0, streams
	spent := time.Duration(0)
	if g.model != nil {
		spent = g.model.books().stats.Time
	}
	rounds, gain := s.planDrafts(load, streams)
	left := stepLoad{rows: s.e.cfg.BatchRows - load.rows, outputs: g.outputs - load.outputs}
	free := s.tree.Free() - load.rows
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
		k, better := s.depth(t, load, streams)
		if t.wants && (k == 0 || better < gain || g.force != nil && k%2 == 0) {
			t.draft = t.draft[:0]
			g.wanting[n] = t
			n++
			continue
		}
		t.wants = false
		s.take(t, k, &load, &left, &free)
	}
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
	with := func(k int) time.Duration { return s.withGraphs(load.guessing(k, t.filled), streams) }
	cost := func(k int) float64 { return with(k).Seconds() }
	k, gain := t.spec.Depth(n, streams, cost)
	if k == 0 {
		return 0, 0
	}
	price := with(k) - base
	if !t.wants && !s.guess.affords(t) {
		return 0, 0
	}
	t.price = price * time.Duration(streams)
	return k, gain
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
	t.credit = min(t.credit+g.step.plain/lossShare, keptSteps*g.step.plain)
}

// guessing adds k guesses of a sequence at depth.
func (l stepLoad) guessing(k, depth int) stepLoad {
	l = l.with(k, depth)
	l.outputs += k
	return l
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

// verified takes in which of a task's guesses were right, and drops the cells of
// the others; false when the task ended because its sampling failed.
func (s *scheduler) verified(t *task, g *llama.Group) bool {
	n := len(t.draft)
	accepted := 0
	if g.Err == nil {
		accepted = max(g.Accepted-1, 0)
	}
	if n > 0 {
		t.filled += accepted
		if accepted < n {
			if err := s.tree.Truncate(t.seq, t.filled); err != nil {
				s.e.cfg.Log.Error("taking back rejected guesses", "engine", s.e.cfg.Name, "error", err)
			}
		}
	}
	judged, right := n, accepted
	if g.Err == nil && len(t.beyond) > 0 && g.Accepted == n+1 {
		judged++
		if s.batch.Out[g.First+n] == t.beyond[0] {
			right++
		}
	}
	if g.Err == nil && (judged > 0 || t.wants) {
		s.guess.learn(t, n, accepted, judged, right)
	}
	t.draft, t.wants, t.beyond = t.draft[:0], false, nil
	if g.Err != nil {
		s.end(t, FinishError, g.Err)
		return false
	}
	return true
}

// learn books the outcome of a task's guesses: how many were verified and accepted, and
// how many judged and right.
func (g *guesser) learn(t *task, n, accepted, judged, right int) {
	if t.wants && len(t.follow.probs) == 0 {
		return // the draft model only read
	}
	if t.follow.open && t.wants {
		// It has read all but the last of what it drafted.
		t.follow.valid = len(t.tokens) + accepted
	}
	from := t.spec.Learn(judged, right)
	if from == speculation.Draft {
		g.model.books().trial.learn(accepted > 0) // one that was not worth verifying is wrong too
	}
	for i := range n {
		at := &g.stats.ByPlace[from][i]
		at.Drafted++
		if i < accepted {
			at.Accepted++
		}
	}
	g.stats.Drafted[from] += int64(n)
	g.stats.Accepted[from] += int64(accepted)
	t.result.Timings.Drafted += n
	t.result.Timings.Accepted += accepted
	g.stats.Saved += time.Duration(accepted) * g.step.plain
	if from != speculation.Draft {
		t.credit += time.Duration(accepted)*g.step.plain - t.price
	}
}

// paid books what the guesses of a step cost its streams.
func (g *guesser) paid() {
	g.stats.Saved -= time.Duration(g.step.streams) * (g.step.with - g.step.plain + g.step.draft)
	g.step.plain, g.step.with, g.step.draft = 0, 0, 0
}

// libraryContext is how many tokens in front of an answer are kept with it, so that
// its beginning can be found.
const libraryContext = 8

// keep gives a finished answer to the library, unless that knew nearly all of
// it already.
func (g *guesser) keep(t *task, why FinishReason) {
	if g.script != nil && why != FinishError && why != FinishCancelled {
		g.script.Keep(t.req.Prompt, t.everything()[len(t.req.Prompt):])
		return
	}
	if g.most == 0 || why == FinishError || t.generated < 16 || t.result.Timings.Accepted > t.generated*9/10 {
		return
	}
	g.library.Add(t.space, t.everything()[max(0, len(t.req.Prompt)-libraryContext):])
}
