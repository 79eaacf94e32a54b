package inference

import "math"

// normal is one side of the normal equations of least squares: the sums of the
// products of features, and of the features, each over the time of its step.
type normal struct {
	xx [costs][costs]float64
	x  [costs]float64
}

// experience is what the steps of one kind say. All of them have the same features,
// see stepLoad.kind.
type experience struct {
	n  float64
	xx [21]float64 // products of two of the six, one after the other
	x  [6]float64
}

// forget is the weight that a step's evidence keeps at each later step of its kind.
const forget = 0.985

// add takes in a step's features, here and in the sum of all kinds.
func (v *experience) add(sum *normal, x [6]term) {
	v.n = v.n*forget + 1
	k := 0
	for i, a := range x {
		d := a.x - (1-forget)*v.x[i]
		v.x[i] += d
		sum.x[a.i] += d
		for j := i; j < len(x); j++ {
			b := x[j]
			d := a.x*b.x - (1-forget)*v.xx[k]
			v.xx[k] += d
			sum.xx[a.i][b.i] += d
			if i != j {
				sum.xx[b.i][a.i] += d
			}
			k++
		}
	}
}

// What holds prices where evidence leaves them open, in parts of a step's evidence:
// each is likely to be as many times the guess as all of them are, and the rows
// behind a knot as many times as those before it.
const (
	tieAll  = 0.001
	tieNext = 0.005
	// cheapest is how much of its guess a part costs at least.
	cheapest = 0.02
)

// solve finds the prices that explain the evidence best: ridge regression on parts
// of prices as multiples of their guesses, none of them below zero (parts that would
// be are held at almost nothing and the others found again). More rows never cost
// less that way, and no price runs away from its guess because another one can make
// up for it.
func (c *costModel) solve() {
	m := c.known()
	// The multiple that all prices have in common.
	num, den := 0.0, 0.0
	for i := range costs {
		num += c.prior[i] * c.sum.x[i]
		for j := range costs {
			den += c.prior[i] * c.prior[j] * c.sum.xx[i][j]
		}
	}
	if den <= 0 || num <= 0 {
		return
	}
	common := num / den
	q := c.sum.ofParts(m)
	all, next := tieAll*c.trust/(common*common), tieNext*c.trust/(common*common)
	for i := range costs {
		if i < 3 || i >= len(knots) {
			q.xx[i][i] += all
			q.x[i] += all * common
		}
		if i >= 3 && i < len(knots) {
			q.xx[i][i] += next
			q.xx[i-1][i-1] += next
			q.xx[i][i-1] -= next
			q.xx[i-1][i] -= next
		}
	}
	least := cheapest * common
	var held [costs]bool
	var v [costs]float64
	for again := true; again; {
		v = q.without(held, least)
		again = false
		for i := range v {
			if !held[i] && v[i] < least {
				held[i], again = true, true
			}
		}
	}
	for i := range costs {
		w := v[i] * m[i]
		if i > 0 && i < len(knots) {
			w += c.now[i-1]
		}
		c.now[i] = w
	}
}

// ofParts turns the equations for prices into those for multiples of the guessed
// parts that prices are made of, see partsOf.
func (s *normal) ofParts(m [costs]float64) normal {
	q := *s
	for i := len(knots) - 2; i >= 0; i-- {
		q.x[i] += q.x[i+1]
		for j := range costs {
			q.xx[i][j] += q.xx[i+1][j]
		}
	}
	for j := len(knots) - 2; j >= 0; j-- {
		for i := range costs {
			q.xx[i][j] += q.xx[i][j+1]
		}
	}
	for i := range costs {
		q.x[i] *= m[i]
		for j := range costs {
			q.xx[i][j] *= m[i] * m[j]
		}
	}
	return q
}

// without solves the equations with some unknowns held at a value, by Cholesky
// decomposition. The ties keep the matrix positive definite.
func (s *normal) without(held [costs]bool, value float64) (v [costs]float64) {
	var l [costs][costs]float64
	for i := range costs {
		v[i] = s.x[i]
		if held[i] {
			l[i][i], v[i] = 1, value
			continue
		}
		for j := range costs {
			if held[j] {
				v[i] -= s.xx[i][j] * value
			}
		}
		for j := range i {
			if held[j] {
				continue
			}
			d := s.xx[i][j]
			for k := range j {
				d -= l[i][k] * l[j][k]
			}
			l[i][j] = d / l[j][j]
		}
		d := s.xx[i][i]
		for k := range i {
			d -= l[i][k] * l[i][k]
		}
		l[i][i] = math.Sqrt(max(d, 1e-12*s.xx[i][i], 1e-30))
	}
	for i := range costs {
		if held[i] {
			continue
		}
		for k := range i {
			if !held[k] {
				v[i] -= l[i][k] * v[k]
			}
		}
		v[i] /= l[i][i]
	}
	for i := costs - 1; i >= 0; i-- {
		if held[i] {
			continue
		}
		for k := i + 1; k < costs; k++ {
			if !held[k] {
				v[i] -= l[k][i] * v[k]
			}
		}
		v[i] /= l[i][i]
	}
	return v
}
