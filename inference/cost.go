package inference

import "time"

// stepLoad is what the time of a step depends on.
type stepLoad struct {
	rows     int
	attended int // sum over the rows of the cells each looks at
	outputs  int // rows whose logits are computed
}

// costs is how many prices a costModel has.
const costs = 5

// features are what the prices are for: a step, a row, a thousand attended
// cells, an output, and having more than one row, which changes kernels.
func (l stepLoad) features() [costs]float64 {
	x := [costs]float64{1, float64(l.rows), float64(l.attended) / 1000, float64(l.outputs), 0}
	if l.rows > 1 {
		x[4] = 1
	}
	return x
}

// costModel predicts the time of a step, linear in the features of its load,
// learned by recursive least squares on relative errors, with slow forgetting
// because a machine's neighbours and clocks change. It starts from a guess of the
// machine's kind, see newCostModel.
type costModel struct {
	w   [costs]float64        // seconds for each feature
	p   [costs][costs]float64 // inverse covariance
	n   int64                 // steps learned from
	odd int                   // steps in a row that took far longer than expected

	fixed bool // nothing is learned
}

// forget is the weight that a step's evidence keeps at each later step.
const forget = 0.998

// newCostModel starts from what a small model costs on two CPU cores, or from
// what a GPU is like: a step costs what reading the weights takes, whoever is in
// it, and a row next to nothing.
func newCostModel(gpu bool) *costModel {
	c := &costModel{w: [costs]float64{3.1e-3, 3e-3, 3e-3, 0.4e-3, 2.6e-3}}
	if gpu {
		c.w = [costs]float64{4e-3, 15e-6, 1e-6, 20e-6, 0.3e-3}
	}
	for i := range c.p {
		c.p[i][i] = 1e-4
	}
	return c
}

// predict returns the expected time of a step.
func (c *costModel) predict(l stepLoad) time.Duration {
	// A fit may turn a price slightly negative; the prediction must still rise
	// with the rows, or chunk could not search.
	x := l.features()
	s := c.w[0]
	for i := 1; i < costs; i++ {
		s += max(c.w[i], 0) * x[i]
	}
	return time.Duration(max(s, 1e-4) * float64(time.Second))
}

// learn takes in a finished step.
func (c *costModel) learn(l stepLoad, took time.Duration) {
	y := took.Seconds()
	if y <= 0 || c.fixed {
		return
	}
	// Relative errors count: features and target are divided by the time.
	x := l.features()
	for i := range x {
		x[i] /= y
	}
	var px [costs]float64
	for i := range costs {
		for j := range costs {
			px[i] += c.p[i][j] * x[j]
		}
	}
	gain := forget
	e := 1.0
	for i := range costs {
		gain += x[i] * px[i]
		e -= x[i] * c.w[i]
	}
	// A step that took several times the expected was disturbed, not typical,
	// unless that goes on.
	if e > 0.75 && c.n > 20 && c.odd < 8 {
		c.odd++
		return
	}
	c.odd = 0
	trace := 0.0
	for i := range costs {
		c.w[i] += px[i] / gain * e
		trace += c.p[i][i]
	}
	// Without variety in the steps the covariance would grow without bound.
	scale := 1.0
	if trace < 1e-2 {
		scale = forget
	}
	for i := range costs {
		for j := range costs {
			c.p[i][j] = (c.p[i][j] - px[i]*px[j]/gain) / scale
		}
	}
	c.n++
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
