package speculation

// Source is where a guess comes from.
type Source int

// The sources.
const (
	Own        Source = iota // the request's own tokens
	Shared                   // the namespace's earlier answers
	Prediction               // the client's prediction
	sources
)

// String is the source's name in metrics.
func (s Source) String() string {
	return [...]string{"own", "shared", "prediction"}[s]
}

// How sure a guess is depends on how much of the text before it was the same,
// and how far behind that it stands.
const (
	matches = 5 // 3, 4–5, 6–8, 9–16, more
	depths  = 4 // the first, the next two, the next four, the rest
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

func depthOf(i int) int {
	switch {
	case i == 0:
		return 0
	case i < 3:
		return 1
	case i < 7:
		return 2
	}
	return 3
}

// A priori chances by match, for copied and for predicted text; the first guess
// of all has to earn its row by them.
var (
	priorCopy       = [matches]float64{0.35, 0.5, 0.62, 0.82, 0.93}
	priorPrediction = [matches]float64{0.8, 0.85, 0.9, 0.94, 0.97}
)

// Rates are chances that a guess is right when all before it were, learned with
// slow forgetting. A request's rates start from those of its parent.
type Rates struct {
	parent *Rates
	keep   float64 // weight of what was known, at each new piece of evidence
	cell   [sources][matches][depths]struct{ hit, seen float64 }
	probes [sources][matches]struct{ waited, every int }
}

// NewRates makes rates that start from parent's, nil = from what is usual.
func NewRates(parent *Rates) *Rates {
	r := &Rates{parent: parent, keep: 0.98}
	if parent != nil {
		return r
	}
	r.keep = 0.995
	for s := range r.probes {
		for m := range r.probes[s] {
			r.probes[s][m].every = minProbe
		}
	}
	return r
}

// priorWeight is how many guesses the prior counts for.
const priorWeight = 4

// At returns the chance of the guess that stands i behind a match.
func (r *Rates) At(s Source, length, i int) float64 { return r.at(s, matchOf(length), depthOf(i)) }

func (r *Rates) at(s Source, m, d int) float64 {
	prior := priorCopy[m]
	switch {
	case r.parent != nil:
		prior = r.parent.at(s, m, d)
	case s == Prediction:
		prior = priorPrediction[m]
	}
	c := &r.cell[s][m][d]
	return (c.hit + priorWeight*prior) / (c.seen + priorWeight)
}

// Learn takes in how many of the drafted guesses were right.
func (r *Rates) Learn(s Source, length, drafted, accepted int) {
	if r.parent != nil {
		r.parent.Learn(s, length, drafted, accepted)
	}
	m := matchOf(length)
	for i := range min(drafted, accepted+1) {
		c := &r.cell[s][m][depthOf(i)]
		c.hit, c.seen = c.hit*r.keep, c.seen*r.keep+1
		if i < accepted {
			c.hit++
		}
	}
	if r.parent == nil && drafted > 0 {
		p := &r.probes[s][m]
		p.waited = 0
		if accepted > 0 {
			p.every = max(p.every/2, minProbe)
		} else {
			p.every = min(p.every*2, maxProbe)
		}
	}
}

// How many guesses in a row are turned down before one is tried all the same:
// without that, a chance once thought small would stay so.
const (
	minProbe = 32
	maxProbe = 1024
)

// probe tells whether a guess that was turned down should be tried. All
// requests with the same parent count together.
func (r *Rates) probe(s Source, length int) bool {
	for r.parent != nil {
		r = r.parent
	}
	p := &r.probes[s][matchOf(length)]
	p.waited++
	return p.waited > p.every
}
