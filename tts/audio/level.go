package audio

import "math"

// Leveller brings clauses of one voice to the same loudness while they are made:
// a voice reads a cry or a short sentence some 3 dB louder than a long one. It
// follows the energy of what is not silence and corrects slowly, so that words
// keep their stress, and by little, so that nothing is turned into something else.
// A sample's gain depends on the samples before it alone: nothing is held back,
// and it gives the same samples whatever pieces it is fed in.
type Leveller struct {
	wanted float64 // mean square
	block  int     // samples
	slow   float64 // share of what was known that a block leaves

	mean     float64 // of what was heard of the clause
	from, to float64 // gain at the ends of the current block
	n        int     // samples of it
	sum      float64 // of their squares
}

const (
	// levelTime is how long a level must be heard to count, seconds.
	levelTime = 0.8
	// levelMost bounds the correction: 3 dB.
	levelMost = 1.4125
	// levelGate is the mean square of silence, -40 dB.
	levelGate = 1e-4
)

// NewLeveller makes one for a sample rate in Hz and the root mean square that
// clauses are to have.
func NewLeveller(rate int, wanted float64) *Leveller {
	l := &Leveller{wanted: wanted * wanted, block: max(rate/50, 1), slow: math.Exp(-1 / (50 * levelTime))}
	l.Clause()
	return l
}

// Clause begins a clause: how loud the one before was says nothing of it.
func (l *Leveller) Clause() { l.mean, l.from, l.to, l.n, l.sum = l.wanted, 1, 1, 0, 0 }

// Write levels s in place.
func (l *Leveller) Write(s []float32) {
	for i, x := range s {
		gain := l.from + (l.to-l.from)*float64(l.n)/float64(l.block)
		s[i] = float32(float64(x) * gain)
		l.sum += float64(x) * float64(x)
		if l.n++; l.n < l.block {
			continue
		}
		l.from = l.to
		if e := l.sum / float64(l.n); e > levelGate { // a NaN is not
			l.mean = l.mean*l.slow + e*(1-l.slow)
			l.to = min(max(math.Sqrt(l.wanted/l.mean), 1/levelMost), levelMost)
		}
		l.n, l.sum = 0, 0
	}
}
