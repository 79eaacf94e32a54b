package inference

import (
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

	wanting []*task           // scratch: tasks that the draft model may guess for
	copying []*task           // scratch: tasks with copies, in the order of bids
	bids    []speculation.Bid // scratch
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
	if n > 0 && from != speculation.Draft { // what is only judged costs nothing
		gained := time.Duration(accepted)*g.step.plain - t.price
		if t.credit += gained; gained > 0 && t.credit > 2*lossSteps*g.step.plain {
			t.shadow.paid()
		}
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
