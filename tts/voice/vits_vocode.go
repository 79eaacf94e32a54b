package voice

import "context"

// Windows in frames. A vocoder's tail is run in windows whose tensors stay in a
// processor's cache; the parts before it lose more to the overlap of windows than
// they gain, so they have long ones, the first of a stream excepted.
const (
	tailWindow  = 32
	firstWindow = 20 // of a stream: sound starts early
	longWindow  = 256
	minWindow   = 48 // of parts that are divided among threads
)

// vocode makes samples of a latent of so many frames, and emits them in order.
func (v *vits) vocode(ctx context.Context, u Utterance, z []float32, frames int, gate Gate, emit func([]float32) error) error {
	first, stages := 0, v.stages()
	if u.Stream {
		first = firstWindow
	}
	return newChain(z, frames, u.Speaker.ID, stages, v.windows(stages, 0, frames, frames, first, u)).speak(ctx, v.threads, gate, emit)
}

// stages are what a latent goes through.
func (v *vits) stages() []*stage {
	if v.head == nil {
		return []*stage{v.flow, v.tail}
	}
	return []*stage{v.flow, v.head, v.tail}
}

// reach gives for each stage how far, in frames, the ones behind it read beyond
// what they make.
func reach(stages []*stage) []int {
	out := make([]int, len(stages))
	scale := 1 // steps of a stage's input for a frame
	for i, s := range stages {
		for k := range i {
			out[k] += (s.radius + scale - 1) / scale
		}
		scale *= s.rate
	}
	return out
}

// windows cuts the frames from … to of so many frames into windows for each
// stage. first is the first one of a stream; 0 = it is none.
func (v *vits) windows(stages []*stage, from, to, frames, first int, u Utterance) []span {
	spans := make([]span, len(stages))
	last := len(stages) - 1
	beyond := reach(stages)
	scale := 1
	for i, s := range stages {
		a, b := max(from-beyond[i], 0), min(to+beyond[i], frames)
		n := b - a
		var ends []int
		switch {
		case i == last && first > 0:
			ends = growing(n, min(first, tailWindow), tailWindow, tailWindow)
		case i == last:
			k := (n + tailWindow - 1) / tailWindow
			ends = evenly(n, (k+v.threads-1)/v.threads*v.threads)
		case first > 0:
			// The first window of a stage is what the first one behind it reads.
			f := min(from+first+beyond[i], frames) - a
			ends = growing(n, f, 2*(first+beyond[i]), longWindow)
		case u.Spread:
			ends = evenly(n, max(min(v.threads, n/minWindow), 1))
		default:
			ends = evenly(n, 1)
		}
		for k := range ends {
			ends[k] = (a + ends[k]) * scale
		}
		spans[i] = span{a * scale, ends}
		scale *= s.rate
	}
	return spans
}

// evenly cuts n into k equal windows, at most n.
func evenly(n, k int) []int {
	k = max(min(k, n), 1)
	ends := make([]int, k)
	for i := range ends {
		ends[i] = n * (i + 1) / k
	}
	return ends
}

// growing cuts n into windows, the first of the given size, the second of the
// other, each later one twice as long as the one before up to most. A last one
// that would be short is joined to the one before.
func growing(n, first, second, most int) []int {
	var ends []int
	for at, size := 0, first; at < n; {
		at += size
		if n-at < size/2 {
			at = n
		}
		ends = append(ends, at)
		if len(ends) == 1 {
			size = second
		} else {
			size = min(2*size, most)
		}
	}
	return ends
}
