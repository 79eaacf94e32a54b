package voice

import (
	"context"
	"fmt"
	"sync"
)

// Windows of a stream, in frames: the first is short so that sound starts
// early, each later one is longer because overlap is work done twice.
const (
	firstWindow = 26
	maxWindow   = 400
	minWindow   = 48 // of a text made in one piece
)

// windows cuts frames into runs for n threads.
func windows(frames, n int, stream bool) []int {
	var ends []int
	if !stream {
		k := max(min(n, frames/minWindow), 1)
		k = max(k, (frames+maxWindow-1)/maxWindow)
		for i := 1; i <= k; i++ {
			ends = append(ends, frames*i/k)
		}
		return ends
	}
	at, size := 0, firstWindow
	for at < frames {
		at += size
		if frames-at < size/2 {
			at = frames
		}
		ends = append(ends, at)
		if len(ends)%n == 0 {
			size = min(size*2, maxWindow)
		}
	}
	return ends
}

// vocode makes samples window by window, as many at once as there are threads,
// and emits them in order.
func (v *vits) vocode(ctx context.Context, u Utterance, x []float32, frames int, gate Gate, emit func([]float32) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := windows(frames, v.threads, u.Stream)
	type result struct {
		s   []float32
		err error
	}
	results := make([]chan result, len(ends))
	for i := range results {
		results[i] = make(chan result, 1)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	next := 0
	launch := func() {
		if next == len(ends) {
			return
		}
		i, from := next, 0
		if i > 0 {
			from = ends[i-1]
		}
		next++
		wg.Go(func() {
			r := result{err: fmt.Errorf("voice: vocoder window %d failed", i)}
			defer func() { results[i] <- r }()
			r.err = gate(ctx, func() (err error) {
				r.s, err = v.decode(ctx, x, frames, from, ends[i], v.cut.vocoderRad, u.Speaker.ID)
				return err
			})
		})
	}
	for range v.threads {
		launch()
	}
	for i := range ends {
		r := <-results[i]
		if r.err != nil {
			return r.err
		}
		launch()
		if err := emit(r.s); err != nil {
			return err
		}
	}
	return nil
}
