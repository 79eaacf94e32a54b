package audio

import "math"

// Resampler converts between sample rates with a polyphase windowed-sinc
// filter. It is fed piece by piece and gives the same samples as if fed at once.
type Resampler struct {
	up, down int // reduced ratio of the rates
	half     int // taps to each side
	taps     []float32
	buf      []float32 // input from index base on
	base     int64
	next     int64 // the next output sample
	in       int64 // input samples so far
}

// NewResampler makes one from rate from to rate to, both in Hz and above 0.
func NewResampler(from, to int) *Resampler {
	g := gcd(from, to)
	r := &Resampler{up: to / g, down: from / g}
	// 40 zero crossings to each side and a Kaiser window of β 10 keep aliases
	// about 100 dB down; the cut lies a little below the lower half rate.
	const crossings, beta, margin = 40, 10.0, 0.945
	cut := margin * min(1, float64(r.up)/float64(r.down))
	r.half = int(math.Ceil(crossings / cut))
	n := 2 * r.half
	r.taps = make([]float32, r.up*n)
	for p := range r.up {
		row := r.taps[p*n : (p+1)*n]
		sum := 0.0
		h := make([]float64, n)
		for j := range n {
			x := float64(j-(r.half-1)) - float64(p)/float64(r.up)
			h[j] = cut * sinc(cut*x) * kaiser(x/float64(r.half), beta)
			sum += h[j]
		}
		for j := range n { // each phase passes a constant unchanged
			row[j] = float32(h[j] / sum)
		}
	}
	r.buf = make([]float32, r.half-1)
	r.base = -int64(r.half - 1)
	return r
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

func kaiser(x, beta float64) float64 {
	if x < -1 || x > 1 {
		return 0
	}
	return bessel(beta*math.Sqrt(1-x*x)) / bessel(beta)
}

// bessel is the modified Bessel function of the first kind and order 0.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}

// Write appends the output that s completes to dst.
func (r *Resampler) Write(dst, s []float32) []float32 {
	r.in += int64(len(s))
	r.buf = append(r.buf, s...)
	return r.run(dst, math.MaxInt64)
}

// Length is how many samples n become in all.
func (r *Resampler) Length(n int64) int64 {
	return (n*int64(r.up) + int64(r.down) - 1) / int64(r.down)
}

// Finish appends the rest: in all, input length × to / from, rounded up.
func (r *Resampler) Finish(dst []float32) []float32 {
	total := r.Length(r.in)
	r.buf = append(r.buf, make([]float32, r.half+1)...)
	return r.run(dst, total)
}

func (r *Resampler) run(dst []float32, total int64) []float32 {
	n := 2 * r.half
	for r.next < total {
		t := r.next * int64(r.down)
		start := int(t/int64(r.up)-r.base) - (r.half - 1)
		if start+n > len(r.buf) {
			break
		}
		row := r.taps[int(t%int64(r.up))*n:][:n]
		var a, b, c, d float32
		x := r.buf[start : start+n]
		for j := 0; j+3 < n; j += 4 {
			a += row[j] * x[j]
			b += row[j+1] * x[j+1]
			c += row[j+2] * x[j+2]
			d += row[j+3] * x[j+3]
		}
		for j := n &^ 3; j < n; j++ {
			a += row[j] * x[j]
		}
		dst = append(dst, a+b+c+d)
		r.next++
	}
	// Forget what no later sample needs.
	keep := int(r.next*int64(r.down)/int64(r.up)-r.base) - (r.half - 1)
	if keep = min(max(keep, 0), len(r.buf)); keep > 4096 {
		r.buf = append(r.buf[:0], r.buf[keep:]...)
		r.base += int64(keep)
	}
	return dst
}
