package inference

import (
	"math"
	"time"
)

// costModel predicts the time of a step. It starts from a guess of the machine's
// kind, see newCostModel, and learns by least squares on relative errors from what
// steps took. What it knows of each kind of step is forgotten slowly by steps of that
// kind alone: a machine's neighbours and clocks change, and a thousand steps of one
// row say nothing of a long chunk. Where steps leave open which price is to blame
// (all rows of streams have an output, each at some depth), the guess decides, see
// solve.
type costModel struct {
	prior [costs]float64 // seconds for each feature, before anything is learned
	floor [costs]float64 // the least that a price's own part is guessed at, see partsOf
	trust float64        // in prior: 1 for guesses
	now   [costs]float64 // what predict uses

	byKind [kinds]experience
	sum    normal // of all kinds
	n      int64  // steps learned from
	odd    int    // steps in a row that took far longer than expected

	fixed bool // nothing is learned
}

// newCostModel starts from what a small model costs on two CPU cores, or from
// what a GPU is like: a step costs what reading the weights takes, whoever is in
// it, and a row next to nothing.
func newCostModel(gpu bool) *costModel {
	if gpu {
		return linearCost(4e-3, 15e-6, 0.3e-3, 1e-6, 20e-6).graphs(1e-3)
	}
	return linearCost(3.1e-3, 3e-3, 2.6e-3, 3e-3, 0.4e-3).graphs(0.4e-3)
}

// linearCost starts from prices for a step, for a row, for having more than one
// row, for a thousand cells of a sequence with one row, and for an output, in
// seconds. Two thirds of a cell's price are for reading it.
func linearCost(step, row, several, cells, out float64) *costModel {
	c := &costModel{trust: 1}
	for i, k := range knots {
		c.prior[i] = step + row*float64(k)
		if k > 1 {
			c.prior[i] += several
		}
	}
	c.prior[reading], c.prior[attending], c.prior[output] = cells*2/3, cells/3, out
	c.now = c.prior
	return c
}

// graphs has each new graph cost so many seconds, to begin with.
func (c *costModel) graphs(seconds float64) *costModel {
	c.prior[building], c.now[building] = seconds, seconds
	return c
}

// scaled is a model that starts at a multiple of this one's prices.
func (c *costModel) scaled(by float64) *costModel {
	s := &costModel{trust: 1, floor: partsOf(c.prior)}
	for i := range s.prior {
		s.prior[i] = c.now[i] * by
		s.floor[i] *= by * leastPart
	}
	s.now = s.prior
	return s
}

// predict returns the expected time of a step.
func (c *costModel) predict(l stepLoad) time.Duration {
	s := 0.0
	for _, t := range l.terms() {
		s += c.now[t.i] * t.x
	}
	return time.Duration(max(s, 1e-4) * float64(time.Second))
}

// graph is the price of a new graph.
func (c *costModel) graph() time.Duration {
	return time.Duration(c.now[building] * float64(time.Second))
}

// learn takes in a finished step.
func (c *costModel) learn(l stepLoad, took time.Duration) {
	y := took.Seconds()
	if y <= 0 || l.rows < 1 || c.fixed {
		return
	}
	// Relative errors count: features and target are divided by the time.
	x := l.terms()
	e := 1.0
	for i, t := range x {
		x[i].x /= y
		e -= x[i].x * c.now[t.i]
	}
	of := &c.byKind[l.kind()]
	// A step that took several times the expected was disturbed, not typical,
	// unless that goes on or nothing was known of its kind.
	if e > 0.75 && of.n > 3 && c.n > 20 && c.odd < 8 {
		c.odd++
		return
	}
	c.odd = 0
	of.add(&c.sum, x)
	c.n++
	c.solve()
}

// chunk returns how many prefill rows of a sequence at depth fit beside a load
// within the budget: at least least, at most most.
func (c *costModel) chunk(beside stepLoad, depth int, budget time.Duration, least, most int) int {
	lo, hi := least, most
	for lo < hi {
		k := (lo + hi + 1) / 2
		if c.predict(beside.with(k, depth)) <= budget {
			lo = k
		} else {
			hi = k - 1
		}
	}
	return min(lo, most)
}

// leastPart is how little of the prices of its kind of machine a machine is guessed
// to have, where it seemed to have none.
const leastPart = 0.1

// partsOf takes prices apart into what they are made of: the first knot's price and
// what each further one adds to the one before it.
func partsOf(prices [costs]float64) [costs]float64 {
	for i := len(knots) - 1; i > 0; i-- {
		prices[i] -= prices[i-1]
	}
	for i := range prices {
		prices[i] = max(prices[i], 0)
	}
	return prices
}

// known is what is guessed of each part, never nothing.
func (c *costModel) known() [costs]float64 {
	m := partsOf(c.prior)
	for i := range m {
		m[i] = max(m[i], c.floor[i], 1e-12)
	}
	return m
}

// finite tells whether prices are such as a machine can have.
func finite(prices [costs]float64) bool {
	for _, w := range prices {
		if math.IsNaN(w) || w < 0 || w > 600 {
			return false
		}
	}
	return true
}
