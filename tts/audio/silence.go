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

	// Of the clause: samples that came and went, and what was cut between.
	in, out int
	cuts    []cut
	ended   bool // the next sample begins a new clause
}

// cut is n samples of silence that were left out from the clause's sample at on.
type cut struct{ at, n int }

// Place says where the clause's sample number in, counted as written, is heard
// among those that came out, the clause's first at 0. It holds behind End until
// the next clause begins.
func (t *Trimmer) Place(in int) int {
	out := in
	for _, c := range t.cuts {
		if in > c.at {
			out -= min(in-c.at, c.n)
		}
	}
	return min(max(out, 0), t.out)
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
	if t.ended {
		t.in, t.out, t.cuts, t.ended = 0, 0, t.cuts[:0], false
	}
	before := len(dst)
	t.rest = append(t.rest, s...)
	used := 0
	for len(t.rest)-used >= t.block {
		dst = t.put(dst, t.rest[used:used+t.block])
		used += t.block
	}
	t.rest = append(t.rest[:0], t.rest[used:]...)
	t.out += len(dst) - before
	return dst
}

// drop notes that the samples from..to of the silence held back are left out.
func (t *Trimmer) drop(from, to int) {
	t.cuts = append(t.cuts, cut{t.in - len(t.quiet) + from, to - from})
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
		t.in += len(b)
		return dst
	}
	keep := t.most
	if !t.begun {
		keep = t.lead
	}
	dst = t.release(dst, keep)
	t.begun = true
	t.in += len(b)
	return append(dst, b...)
}

// release lets the ends of the silence held back through, keep samples in all:
// what fades out before it and what fades in behind it stay.
func (t *Trimmer) release(dst []float32, keep int) []float32 {
	q := t.quiet
	defer func() { t.quiet = t.quiet[:0] }()
	if len(q) <= keep {
		return append(dst, q...)
	}
	if !t.begun {
		t.drop(0, len(q)-keep)
		return append(dst, q[len(q)-keep:]...)
	}
	t.drop(keep-keep/2, len(q)-keep/2)
	dst = append(dst, q[:keep-keep/2]...)
	return append(dst, q[len(q)-keep/2:]...)
}

// End ends the clause: dst gets at most Tail of its silence and then pause
// samples of silence. The next Write starts a new clause.
func (t *Trimmer) End(dst []float32, pause int) []float32 {
	before := len(dst)
	if t.ended { // a clause without a sample
		t.in, t.out, t.cuts = 0, 0, t.cuts[:0]
	}
	if len(t.rest) > 0 {
		dst = t.put(dst, t.rest)
		t.rest = t.rest[:0]
	}
	if t.begun {
		dst = append(dst, t.quiet[:min(len(t.quiet), t.tail)]...)
	}
	t.out += len(dst) - before
	t.ended = true
	t.quiet = t.quiet[:0]
	t.begun = false
	return append(dst, make([]float32, max(pause, 0))...)
}
