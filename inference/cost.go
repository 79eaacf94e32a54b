package inference

import "time"

// costModel predicts the time of a step from its rows and the cells they
// attend to: fixed + row·rows + cell·cells, learned by recursive least squares
// on relative errors, with slow forgetting because a machine's neighbours and
// clocks change. It starts from what a small model costs on two CPU cores.
type costModel struct {
	w   [3]float64    // seconds for: a step, a row, a thousand attended cells
	p   [3][3]float64 // inverse covariance
	n   int64         // steps learned from
	odd int           // steps in a row that took far longer than expected
}

// forget is the weight that a step's evidence keeps at each later step.
const forget = 0.998

func newCostModel() *costModel {
	c := &costModel{w: [3]float64{5e-3, 3.4e-3, 3e-3}}
	c.p = [3][3]float64{{1e-4, 0, 0}, {0, 1e-4, 0}, {0, 0, 1e-4}}
	return c
}

// predict returns the expected time of a step. attended is the sum over its
// rows of the cells each looks at.
func (c *costModel) predict(rows, attended int) time.Duration {
	// A fit may turn a price slightly negative; the prediction must still rise
	// with the rows, or chunk could not search.
	s := c.w[0] + max(c.w[1], 0)*float64(rows) + max(c.w[2], 0)*float64(attended)/1000
	return time.Duration(max(s, 1e-4) * float64(time.Second))
}

// learn takes in a finished step.
func (c *costModel) learn(rows, attended int, took time.Duration) {
	y := took.Seconds()
	if y <= 0 {
		return
	}
	// Relative errors count: features and target are divided by the time.
	x := [3]float64{1 / y, float64(rows) / y, float64(attended) / 1000 / y}
	var px [3]float64
	for i := range 3 {
		for j := range 3 {
			px[i] += c.p[i][j] * x[j]
		}
	}
	gain := forget
	e := 1.0
	for i := range 3 {
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
	for i := range 3 {
		c.w[i] += px[i] / gain * e
	}
	// Without variety in the steps the covariance would grow without bound.
	scale := 1.0
	if c.p[0][0]+c.p[1][1]+c.p[2][2] < 1e-2 {
		scale = forget
	}
	for i := range 3 {
		for j := range 3 {
			c.p[i][j] = (c.p[i][j] - px[i]*px[j]/gain) / scale
		}
	}
	c.n++
}

// chunk returns how many prefill rows of a sequence at depth fit beside rows
// that attend to `attended` cells within the budget: at least least, at most
// most.
func (c *costModel) chunk(rows, attended, depth int, budget time.Duration, least, most int) int {
	lo, hi := least, most
	for lo < hi {
		k := (lo + hi + 1) / 2
		if c.predict(rows+k, attended+k*depth+k*k/2) <= budget {
			lo = k
		} else {
			hi = k - 1
		}
	}
	return min(lo, most)
}
