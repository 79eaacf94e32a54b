package inference

import (
	"repartee/inference/llama"
	"repartee/speculation"
)

// SpeculationStats counts guesses by where they came from, in the order of
// speculation.Source.
type SpeculationStats struct {
	Drafted, Accepted [3]int64
}

// guesser is the scheduler's side of speculation.
type guesser struct {
	most    int // guesses of a sequence in one step; 0 = off
	outputs int // rows whose logits a step may ask for
	library *speculation.Library
	rates   [2]*speculation.Rates // greedy, sampled
	force   func(proposed int) int
	stats   SpeculationStats
}

// outputRows is how many rows of a step may have logits: enough for a few
// sequences with deep guesses.
func outputRows(cfg Config) int { return min(cfg.BatchRows, 16*cfg.Parallel) }

func (g *guesser) init(cfg Config) {
	if cfg.Speculate == SpeculateOff {
		return
	}
	*g = guesser{
		most: speculation.MaxDraft, outputs: outputRows(cfg), library: speculation.NewLibrary(), force: cfg.force,
		rates: [2]*speculation.Rates{speculation.NewRates(nil), speculation.NewRates(nil)},
	}
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
	kind := 0
	if r.Sampling.Temperature > 0 {
		kind = 1
	}
	t.spec = speculation.NewSequence(r.Namespace, r.Prompt, r.Prediction, g.rates[kind])
	t.draft = make([]Token, 0, t.guesses)
}

// draft chooses every generating sequence's guesses for the next step.
func (s *scheduler) draft() {
	if s.guess.most == 0 {
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
	for _, t := range s.active {
		if t.spec == nil || !t.decoding() {
			continue
		}
		most := min(t.guesses, t.limit-len(t.tokens)-1, s.guess.outputs-load.outputs, s.e.cfg.BatchRows-load.rows, s.tree.Free()-load.rows)
		if most <= 0 {
			continue
		}
		t.draft = t.spec.Propose(t.draft[:0], t.tokens, most, s.guess.library)
		n := len(t.draft)
		if n == 0 {
			continue
		}
		k := 0
		if s.guess.force != nil {
			k = s.guess.force(n)
		} else {
			k = t.spec.Depth(n, streams, func(k int) float64 {
				l := load.with(k, t.filled)
				l.outputs += k
				return s.cost.predict(l).Seconds()
			})
		}
		t.draft = t.draft[:k]
		load = load.with(k, t.filled)
		load.outputs += k
	}
}

// verified takes in which of a task's guesses were right, and drops the cells of
// the others; false when the task ended because its sampling failed.
func (s *scheduler) verified(t *task, g *llama.Group) bool {
	if n := len(t.draft); n > 0 {
		accepted := max(g.Accepted-1, 0)
		if g.Err != nil {
			accepted = 0
		}
		t.filled += accepted
		if accepted < n {
			if err := s.tree.Truncate(t.seq, t.filled); err != nil {
				s.e.cfg.Log.Error("taking back rejected guesses", "engine", s.e.cfg.Name, "error", err)
			}
		}
		if g.Err == nil {
			from := t.spec.Learn(n, accepted)
			s.guess.stats.Drafted[from] += int64(n)
			s.guess.stats.Accepted[from] += int64(accepted)
			t.result.Timings.Drafted += n
			t.result.Timings.Accepted += accepted
		}
		t.draft = t.draft[:0]
	}
	if g.Err != nil {
		s.end(t, FinishError, g.Err)
		return false
	}
	return true
}

// context is how many tokens in front of an answer are kept with it, so that
// its beginning can be found.
const libraryContext = 8

// keep gives a finished answer to the library, unless that knew nearly all of
// it already.
func (g *guesser) keep(t *task, why FinishReason) {
	if g.most == 0 || why == FinishError || t.generated < 16 || t.result.Timings.Accepted > t.generated*9/10 {
		return
	}
	g.library.Add(t.req.Namespace, t.tokens[max(0, len(t.req.Prompt)-libraryContext):])
}
