package audio

import "math"

// Stretcher changes the speed of speech and leaves its pitch: waveform
// similarity overlap-add (Verhelst and Roelands, ICASSP 1993). The output is
// made of pieces of the input, each taken where it looks most like what would
// have followed the piece before, and faded into that. It is fed piece by piece
// and gives the same samples as if fed at once.
type Stretcher struct {
	hop, slack int       // samples: of a piece; of the search to each side
	step       float64   // from one piece to the next in the input
	fade       []float32 // a piece's rise
	buf        []float32 // input from index base on
	base       int
	in, out    int // samples so far
	last       int // where the last piece was taken, from the input's start
	pieces     int
	speed      float64
	ended      bool
}

// NewStretcher makes one for a sample rate in Hz and a speed of 0.25 … 4; 2
// halves the length.
func NewStretcher(rate int, speed float64) *Stretcher {
	// Pieces of 15 ms; the search spans 20 ms, the period of a voice at 50 Hz.
	s := &Stretcher{hop: max(rate*15/1000, 8), slack: max(rate/100, 4), speed: speed}
	s.step = float64(s.hop) * speed
	s.fade = make([]float32, s.hop)
	for i := range s.fade {
		x := math.Sin(math.Pi / 2 * (float64(i) + 0.5) / float64(s.hop))
		s.fade[i] = float32(x * x)
	}
	return s
}

// Write appends the output that s completes to dst.
func (t *Stretcher) Write(dst, s []float32) []float32 {
	t.in += len(s)
	t.buf = append(t.buf, s...)
	return t.run(dst, math.MaxInt)
}

// Finish appends the rest: in all, the input's length divided by the speed,
// rounded.
func (t *Stretcher) Finish(dst []float32) []float32 {
	total := int(math.Round(float64(t.in) / t.speed))
	t.buf = append(t.buf, make([]float32, int(t.step)+3*t.hop+2*t.slack)...)
	t.ended = true
	return t.run(dst, total)
}

// run makes pieces for as long as the input reaches, up to total samples.
func (t *Stretcher) run(dst []float32, total int) []float32 {
	for t.out < total {
		want := int(math.Round(float64(t.pieces) * t.step))
		if !t.ended && float64(t.out+t.hop)*t.speed > float64(t.in) {
			break // the input may end here
		}
		if want+t.slack+2*t.hop > t.base+len(t.buf) {
			if !t.ended {
				break
			}
			t.buf = append(t.buf, make([]float32, t.hop)...) // nothing is left but its end
			continue
		}
		at := 0
		n := min(t.hop, total-t.out)
		if t.pieces == 0 {
			dst = append(dst, t.buf[:n]...)
		} else {
			next := t.buf[t.last+t.hop-t.base:][:t.hop] // what follows the last piece
			at = t.similar(next, want)
			piece := t.buf[at-t.base:][:t.hop]
			for i := range n {
				dst = append(dst, next[i]+(piece[i]-next[i])*t.fade[i])
			}
		}
		t.last = at
		t.pieces++
		t.out += n
	}
	// Forget what no later piece needs.
	need := min(t.last+t.hop, int(math.Round(float64(t.pieces)*t.step))-t.slack) - t.base
	if need = min(need, len(t.buf)); need > 4096 {
		t.buf = append(t.buf[:0], t.buf[need:]...)
		t.base += need
	}
	return dst
}

// similar gives the place near want whose samples are most like next.
func (t *Stretcher) similar(next []float32, want int) int {
	from, to := max(want-t.slack, t.base, 0), want+t.slack
	// What went before is seldom there; where it is, nothing is more alike.
	if natural := t.last + t.hop; natural >= from && natural <= to {
		return natural
	}
	best, at := math.Inf(-1), want
	energy := 1e-9
	x := t.buf[from-t.base:]
	for _, v := range x[:t.hop] {
		energy += float64(v) * float64(v)
	}
	for k := range to - from + 1 {
		y := x[k:][:t.hop]
		var a, b float32
		for i := 0; i+1 < len(y); i += 2 {
			a += y[i] * next[i]
			b += y[i+1] * next[i+1]
		}
		if like := float64(a+b) / math.Sqrt(max(energy, 1e-9)); like > best {
			best, at = like, from+k
		}
		if k < to-from {
			energy += float64(x[k+t.hop])*float64(x[k+t.hop]) - float64(x[k])*float64(x[k])
		}
	}
	return at
}
