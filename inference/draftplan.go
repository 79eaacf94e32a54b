package inference

import (
	"repartee/speculation"
)

// amortised is over how many steps the reading of a prompt by the draft model is
// spread at most, when its gain is weighed.
const amortised = 64

// planDrafts decides how many tokens the draft model should guess for each
// sequence that may use it, all together, and what that gains each of them. It
// lists them in wanting, for which task.wants is set.
func (s *scheduler) planDrafts(load stepLoad, streams int) (rounds int, gain float64) {
	g := &s.guess
	d := g.model
	g.wanting = g.wanting[:0]
	if d == nil {
		return 0, 0
	}
	if !d.awake() {
		for _, t := range s.active {
			t.wants = false
		}
		return 0, 0
	}
	own := d.books()
	behind, held, once, most := 0, 0, 0.0, 0
	for _, t := range s.active {
		t.wants = false
		if t.spec == nil || !t.drafts || !t.decoding() || len(g.wanting) >= own.width || !d.knows(t) {
			continue
		}
		room := min(t.guesses, t.limit-len(t.tokens)-1)
		if room <= 0 {
			continue
		}
		t.wants = true
		g.wanting = append(g.wanting, t)
		most = max(most, room)
		lag := d.behind(t)
		if lag > 2 { // read once, of use for the rest of the answer
			over := max(min(t.limit-len(t.tokens), 4*amortised)/4, 1)
			once += own.cost.predict(stepLoad{rows: lag, cells: len(t.tokens), attended: lag * len(t.tokens) / 2}).Seconds() / float64(over)
			lag = 2
		}
		behind += lag
		held += t.filled
	}
	n := len(g.wanting)
	if n == 0 {
		if streams > 0 {
			d.used(false) // nobody wants it
		}
		return 0, 0
	}
	most = min(most, maxRounds, d.most())
	if g.force != nil {
		if rounds = g.force(most); rounds == 0 {
			g.turnDown(0)
		}
		return rounds, 0
	}
	each := 1 / float64(n)
	cost := func(k int) float64 {
		l := load
		l.rows, l.cells, l.outputs, l.attended = l.rows+n*k, l.cells+n*k, l.outputs+n*k, l.attended+k*held
		c := s.cost.predict(l).Seconds() + d.rounds(k, n, behind, held).Seconds()
		if k > 0 {
			c += once + d.following(n*(k+1), held*(k+1)).Seconds()
		}
		return c
	}
	chance := func(i int) float64 {
		sum := 0.0
		for _, t := range g.wanting {
			sum += t.spec.Ahead(i)
		}
		return sum * each
	}
	rounds, gain = speculation.Depth(most, float64(streams)*each, chance, cost)
	d.used(rounds > 0)
	if rounds == 0 {
		// One of them is tried when enough was put aside for it.
		t := g.wanting[0]
		reading := own.cost.predict(stepLoad{rows: max(d.behind(t), 1), cells: len(t.tokens), attended: d.behind(t) * len(t.tokens) / 2, outputs: 1})
		if own.trial.begin(max(reading, d.rounds(1, 1, 1, t.filled))) {
			g.turnDown(1)
			return 1, 0
		}
		g.turnDown(0)
		return 0, 0
	}
	own.trial.pays()
	return d.depth(rounds), gain
}

// turnDown lets the draft model guess for the first n of wanting alone.
func (g *guesser) turnDown(n int) {
	for _, t := range g.wanting[n:] {
		t.wants = false
	}
}

// maxRounds is the most tokens a draft model guesses in a row.
const maxRounds = 16

// model has the draft model guess for tasks, beside the load that others' guesses
// have made. Each goes on as long as its next token promises more than it costs.
func (s *scheduler) model(tasks []*task, rounds int, load stepLoad, streams int) {
	d := s.guess.model
	cost := d.books().cost
	for _, t := range tasks {
		t.follow.probs = t.follow.probs[:0]
		t.hope, t.odds = 1, 1
	}
	together := len(tasks)
	step := s.cost.predict(load).Seconds()
	row := s.cost.predict(load.guessing(1, 0)).Seconds() - s.cost.predict(load.guessing(0, 0)).Seconds()
	d.draft(tasks, rounds, func(t *task) bool {
		if s.guess.force != nil {
			return true
		}
		i := len(t.draft)
		t.spec.Drafted(t.follow.probs)
		t.odds *= t.spec.Chance(i - 1)
		t.hope += t.odds
		more := t.odds * t.spec.Ahead(i)
		price := row + cost.predict(decoding(together, together*t.filled)).Seconds()/float64(together)
		return more/t.hope > float64(streams)*price/(step+float64(i)*price)
	})
}
