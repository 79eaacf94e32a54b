package speculation

import (
	"fmt"
	"io"
)

// Source is where a guess comes from.
type Source int

// The sources.
const (
	Own        Source = iota // the request's own tokens
	Shared                   // the namespace's earlier answers
	Prediction               // the client's prediction
	Draft                    // a draft model
	Synthetic                // a Rehearsal
	Sources                  // how many there are
)

// String is the source's name in metrics.
func (s Source) String() string {
	return [...]string{"own", "shared", "prediction", "draft", "synthetic"}[s]
}

// How sure a guess is depends on how much of the text before it was the same, or
// on what the draft model thinks of it, and on how far behind the known text it
// stands.
const (
	grades = 5 // of a match: 3, 4–5, 6–8, 9–16, more; of a draft: see certainty
	depths = 5 // the first, the next two, the next four, the next eight, the rest
)

func matchOf(length int) int {
	switch {
	case length <= 3:
		return 0
	case length <= 5:
		return 1
	case length <= 8:
		return 2
	case length <= 16:
		return 3
	}
	return 4
}

// certainty is the grade of a token that the draft model gives probability p.
func certainty(p float32) int {
	switch {
	case p < 0.4:
		return 0
	case p < 0.6:
		return 1
	case p < 0.8:
		return 2
	case p < 0.95:
		return 3
	}
	return 4
}

func depthOf(i int) int {
	switch {
	case i == 0:
		return 0
	case i < 3:
		return 1
	case i < 7:
		return 2
	case i < 15:
		return 3
	}
	return 4
}

// A priori chances by grade; the first guess of all has to earn its row by them.
var (
	priorCopy       = [grades]float64{0.35, 0.5, 0.62, 0.82, 0.93}
	priorPrediction = [grades]float64{0.8, 0.85, 0.9, 0.94, 0.97}
	priorDraft      = [grades]float64{0.3, 0.5, 0.68, 0.85, 0.95}
)

// priorAhead is the chance of a drafted token whose probability is not known yet.
const priorAhead = 0.7

// chance is a share of hits that forgets.
type chance struct{ hit, seen float64 }

// priorWeight is how many guesses the prior counts for.
const priorWeight = 4

func (c *chance) over(prior float64) float64 {
	return (c.hit + priorWeight*prior) / (c.seen + priorWeight)
}

func (c *chance) learn(hit, keep float64) { c.hit, c.seen = c.hit*keep+hit, c.seen*keep+1 }

// Rates are chances that a guess is right when all before it were, learned with
// slow forgetting. A request's rates start from those of its parent.
type Rates struct {
	parent *Rates
	keep   float64 // weight of what was known, at each new piece of evidence
	cell   [Sources][grades][depths]chance
	ahead  [depths]chance // of a draft before it is made
}

// NewRates makes rates that start from parent's, nil = from what is usual.
func NewRates(parent *Rates) *Rates {
	r := &Rates{parent: parent, keep: 0.98}
	if parent != nil {
		return r
	}
	r.keep = 0.995
	return r
}

// At returns the chance of the guess that stands i behind a match.
func (r *Rates) At(s Source, length, i int) float64 { return r.at(s, matchOf(length), depthOf(i)) }

// AtDraft returns the chance of drafted token i, which the draft model gave
// probability p.
func (r *Rates) AtDraft(p float32, i int) float64 { return r.at(Draft, certainty(p), depthOf(i)) }

func (r *Rates) at(s Source, grade, d int) float64 {
	prior := priorCopy[grade]
	switch {
	case r.parent != nil:
		prior = r.parent.at(s, grade, d)
	case s == Prediction:
		prior = priorPrediction[grade]
	case s == Draft:
		prior = priorDraft[grade]
	case s == Synthetic:
		prior = priorAhead
	}
	return r.cell[s][grade][d].over(prior)
}

// Ahead returns the chance of a token that the draft model has yet to choose, i
// behind the known text.
func (r *Rates) Ahead(i int) float64 {
	prior := priorAhead
	if r.parent != nil {
		prior = r.parent.Ahead(i)
	}
	return r.ahead[depthOf(i)].over(prior)
}

// Learn takes in how many of the first guesses the model has judged, and how many of
// those were right. One behind the last that was verified is judged too where all
// those were right: the model has said what stands in its place.
func (r *Rates) Learn(s Source, length, judged, right int) {
	if r.parent != nil {
		r.parent.Learn(s, length, judged, right)
	}
	grade := matchOf(length)
	for i := range min(judged, right+1) {
		r.cell[s][grade][depthOf(i)].learn(hit(i < right), r.keep)
	}
}

func hit(right bool) float64 {
	if right {
		return 1
	}
	return 0
}

// LearnDraft takes in a draft as Learn does: the draft model's probabilities of its
// tokens, how many of them were judged, and how many of those were right.
func (r *Rates) LearnDraft(p []float32, judged, right int) {
	if r.parent != nil {
		r.parent.LearnDraft(p, judged, right)
	}
	for i := range p {
		switch {
		case i < judged && i <= right:
			h := hit(i < right)
			r.cell[Draft][certainty(p[i])][depthOf(i)].learn(h, r.keep)
			r.ahead[depthOf(i)].learn(h, r.keep)
		case judged <= right: // nobody knows: what it was thought of
			r.ahead[depthOf(i)].learn(r.AtDraft(p[i], i), r.keep)
		default: // behind a wrong one
			return
		}
	}
}

// Print writes the chances as lines of a table, tabs between the columns: the
// name and source, the grade (of a match, from 3 tokens to more than 16; of a
// draft, from below 0.4 to above 0.95), and the chances by depth.
func (r *Rates) Print(w io.Writer, name string) {
	for s := range Sources {
		for grade := range grades {
			fmt.Fprintf(w, "%s %s\t%d", name, s, grade)
			for d := range depths {
				fmt.Fprintf(w, "\t%.2f", r.at(s, grade, d))
			}
			fmt.Fprintln(w)
		}
	}
}
