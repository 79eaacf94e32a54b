package audio

// Trimmer shortens silence in a stream of samples: at the start of a clause to
// Lead, at its end to Tail, inside to Most. Samples are judged in blocks of 5 ms.
// The zero lengths mean that no silence is left there.
type Trimmer struct {
	rate             int
	lead, tail, most int // samples
	block            int
	rest             []float32 // less than a block
	quiet            []float32 // silence held back
	begun            bool
}

// silent is the peak below which a block counts as silence, -46 dB.
const silent = 0.005

// NewTrimmer makes a trimmer; the lengths are in milliseconds.
func NewTrimmer(rate, leadMS, tailMS, mostMS int) *Trimmer {
	n := func(ms int) int { return rate * ms / 1000 }
	return &Trimmer{rate: rate, lead: n(leadMS), tail: n(tailMS), most: n(mostMS), block: max(n(5), 1)}
}

// Write appends to dst what of s is known to be heard.
func (t *Trimmer) Write(dst, s []float32) []float32 {
	t.rest = append(t.rest, s...)
	used := 0
	for len(t.rest)-used >= t.block {
		dst = t.put(dst, t.rest[used:used+t.block])
		used += t.block
	}
	t.rest = append(t.rest[:0], t.rest[used:]...)
	return dst
}

func (t *Trimmer) put(dst, b []float32) []float32 {
	loud := false
	for _, x := range b {
		if x > silent || x < -silent {
			loud = true
			break
		}
	}
	if !loud {
		t.quiet = append(t.quiet, b...)
		return dst
	}
	keep := t.most
	if !t.begun {
		keep = t.lead
	}
	dst = t.release(dst, keep)
	t.begun = true
	return append(dst, b...)
}

// release lets the ends of the silence held back through, keep samples in all:
// what fades out before it and what fades in behind it stay.
func (t *Trimmer) release(dst []float32, keep int) []float32 {
	q := t.quiet
	t.quiet = t.quiet[:0]
	if len(q) <= keep {
		return append(dst, q...)
	}
	if !t.begun {
		return append(dst, q[len(q)-keep:]...)
	}
	dst = append(dst, q[:keep-keep/2]...)
	return append(dst, q[len(q)-keep/2:]...)
}

// End ends the clause: dst gets at most Tail of its silence and then pause
// samples of silence. The next Write starts a new clause.
func (t *Trimmer) End(dst []float32, pause int) []float32 {
	if len(t.rest) > 0 {
		dst = t.put(dst, t.rest)
		t.rest = t.rest[:0]
	}
	if t.begun {
		dst = append(dst, t.quiet[:min(len(t.quiet), t.tail)]...)
	}
	t.quiet = t.quiet[:0]
	t.begun = false
	return append(dst, make([]float32, max(pause, 0))...)
}
