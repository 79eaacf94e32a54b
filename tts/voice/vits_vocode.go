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
	stages := []*stage{v.flow}
	if v.head != nil {
		stages = append(stages, v.head)
	}
	stages = append(stages, v.tail)
	return newChain(z, frames, u.Speaker.ID, stages, v.windows(stages, frames, u)).speak(ctx, v.threads, gate, emit)
}

// windows cuts the frames into windows for each stage.
func (v *vits) windows(stages []*stage, frames int, u Utterance) [][]int {
	ends := make([][]int, len(stages))
	last := len(stages) - 1
	scale := 1 // steps of a stage's input for a frame
	scales := make([]int, len(stages))
	for i, s := range stages {
		scales[i] = scale
		scale *= s.rate
	}
	first := firstWindow
	for i := last; i >= 0; i-- {
		switch {
		case i == last && u.Stream:
			ends[i] = growing(frames, first, tailWindow, tailWindow)
		case i == last:
			n := (frames + tailWindow - 1) / tailWindow
			ends[i] = evenly(frames, (n+v.threads-1)/v.threads*v.threads)
		case u.Stream:
			ends[i] = growing(frames, first, 2*first, longWindow)
		case u.Spread:
			ends[i] = evenly(frames, max(min(v.threads, frames/minWindow), 1))
		default:
			ends[i] = evenly(frames, 1)
		}
		// What the first window of this stage reads is the first of the one before.
		first += (stages[i].radius + scales[i] - 1) / scales[i]
		for k := range ends[i] {
			ends[i][k] *= scales[i]
		}
	}
	return ends
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
