package inference

import (
	"math"
	"time"
)

// stepLoad is what the time of a step depends on.
type stepLoad struct {
	rows     int
	attended int  // sum over the rows of the cells each looks at
	outputs  int  // rows whose logits are computed
	joined   bool // it has another number of rows than the step before: the library builds its graph anew
}

// knots are the numbers of rows whose cost is learned each by itself; between them
// it is a straight line, and behind the last one the same line goes on. Kernels
// change with the rows (one row, a tile of 16 or 32, several tiles), so one price a
// row would be wrong by several times on some machines.
var knots = [...]int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048}

// costs is how many prices a costModel has: one for each knot, one for a thousand
// attended cells, one for an output, one for a new graph.
const (
	attending = len(knots)
	output    = len(knots) + 1
	building  = len(knots) + 2
	costs     = len(knots) + 3
)

// term is a feature that is not 0.
type term struct {
	i int
	x float64
}

// terms are a load's features: its place between two knots, its attended cells in
// thousands, its outputs, and whether its graph is new.
func (l stepLoad) terms() [5]term {
	lo := 0
	for lo < len(knots)-2 && l.rows >= knots[lo+1] {
		lo++
	}
	f := float64(l.rows-knots[lo]) / float64(knots[lo+1]-knots[lo])
	if l.rows < 1 {
		f = 0
	}
	built := 0.0
	if l.joined {
		built = 1
	}
	return [5]term{{lo, 1 - f}, {lo + 1, f}, {attending, float64(l.attended) / 1000}, {output, float64(l.outputs)}, {building, built}}
}

// costModel predicts the time of a step, learned by recursive least squares on
// relative errors, with slow forgetting of what steps speak of, because a machine's
// neighbours and clocks change. It starts from a guess of the machine's kind, see
// newCostModel.
type costModel struct {
	prior [costs]float64        // seconds for each feature, before anything is learned
	w     [costs]float64        // the same, learned
	seen  [costs]bool           // w was learned from some step
	p     [costs][costs]float64 // inverse covariance
	now   [costs]float64        // what predict uses, see settle
	n     int64                 // steps learned from
	odd   int                   // steps in a row that took far longer than expected

	fixed bool // nothing is learned
}

// forget is the weight that a step's evidence keeps at each later step with the
// same features.
const forget = 0.998

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
// row, for a thousand attended cells, and for an output, in seconds.
func linearCost(step, row, several, cells, out float64) *costModel {
	c := &costModel{}
	for i, k := range knots {
		c.prior[i] = step + row*float64(k)
		if k > 1 {
			c.prior[i] += several
		}
	}
	c.prior[attending], c.prior[output] = cells, out
	c.start(1)
	return c
}

// graphs has each new graph cost so many seconds, to begin with.
func (c *costModel) graphs(seconds float64) *costModel {
	c.prior[building] = seconds
	c.start(1)
	return c
}

// scaled is a model that starts at a multiple of this one's guesses.
func (c *costModel) scaled(by float64) *costModel {
	s := &costModel{}
	for i := range s.prior {
		s.prior[i] = c.now[i] * by
	}
	s.start(1)
	return s
}

// doubt is the variance of a price that was only guessed, in parts of its square,
// over that of a step's relative error.
const doubt = 50

// start makes the covariance of prices that are doubted so much, 1 for guesses.
func (c *costModel) start(much float64) {
	c.p = [costs][costs]float64{}
	for i := range c.p {
		w := c.prior[i]
		if c.seen[i] {
			w = c.w[i]
		} else {
			c.w[i] = w
		}
		c.p[i][i] = max(w*w, 1e-12) * doubt * much
	}
	c.settle()
}

// settle makes what predict uses of what was learned: knots that no step has shown
// yet are as far from their guess as the nearest one that has, those below first;
// and more rows never cost less.
func (c *costModel) settle() {
	ratio := 1.0
	for i := range knots {
		if c.seen[i] {
			ratio = c.w[i] / c.prior[i]
			break
		}
	}
	last := 1e-4
	for i := range knots {
		w := c.w[i]
		if c.seen[i] {
			ratio = w / c.prior[i]
		} else {
			w = c.prior[i] * ratio
			c.w[i] = w
		}
		last = max(last, w)
		c.now[i] = last
	}
	for i := attending; i < costs; i++ {
		c.now[i] = max(c.w[i], 0)
	}
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
	e, known := 1.0, true
	for i, t := range x {
		x[i].x /= y
		if t.x > 0 {
			e -= x[i].x * c.w[t.i]
			known = known && (c.seen[t.i] || t.i >= len(knots))
		}
	}
	// A step that took several times the expected was disturbed, not typical,
	// unless that goes on or nothing was known of its kind.
	if e > 0.75 && known && c.n > 20 && c.odd < 8 {
		c.odd++
		return
	}
	c.odd = 0
	var px [costs]float64
	gain := 1.0
	for i := range costs {
		for _, t := range x {
			px[i] += c.p[i][t.i] * t.x
		}
	}
	for _, t := range x {
		gain += t.x * px[t.i]
	}
	for i := range costs {
		c.w[i] += px[i] / gain * e
	}
	// Only what this step spoke of is forgotten a little: the rest keeps what it
	// knows, however long nothing is heard of it.
	var scale [costs]float64
	for i := range scale {
		scale[i] = 1
	}
	for _, t := range x {
		if t.x > 0 && c.p[t.i][t.i] < doubt*c.w[t.i]*c.w[t.i] {
			scale[t.i] = math.Sqrt(1 / forget)
		}
		if t.x > 0.2/y {
			c.seen[t.i] = true
		}
	}
	for i := range costs {
		for j := range costs {
			c.p[i][j] = (c.p[i][j] - px[i]*px[j]/gain) * scale[i] * scale[j]
		}
	}
	c.n++
	c.settle()
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

// with adds k prefill rows of a sequence at depth.
func (l stepLoad) with(k, depth int) stepLoad {
	l.rows += k
	l.attended += k*depth + k*k/2
	return l
}
