package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// stillness is how many arrivals each stream has to show before the long
// prompt is sent.
const stillness = 16

// watched keeps one client's arrivals of text.
type watched struct {
	mu      sync.Mutex
	streams [][]time.Time // one list an answer: gaps are never across two
	count   int
	more    chan struct{} // signalled, never blocks
}

func (w *watched) begin() {
	w.mu.Lock()
	w.streams = append(w.streams, nil)
	w.mu.Unlock()
}

func (w *watched) arrived(at time.Time) {
	w.mu.Lock()
	last := len(w.streams) - 1
	w.streams[last] = append(w.streams[last], at)
	w.count++
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
}

func (w *watched) seen() int { w.mu.Lock(); defer w.mu.Unlock(); return w.count }

// wait returns once n texts have arrived, or ctx has ended.
func (w *watched) wait(ctx context.Context, n int) error {
	for w.seen() < n {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-w.more:
		}
	}
	return nil
}

// split divides the gaps into those that ended before from, and those that
// overlap [from, to].
func (w *watched) split(from, to time.Time) (before, during []float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.streams {
		b, d := SplitGaps(s, from, to)
		before, during = append(before, b...), append(during, d...)
	}
	return before, during
}

// SplitGaps divides the gaps between arrivals (milliseconds) into those that
// ended before from and those that overlap the time from … to.
func SplitGaps(arrivals []time.Time, from, to time.Time) (before, during []float64) {
	for i := 1; i < len(arrivals); i++ {
		gap := ms(arrivals[i].Sub(arrivals[i-1]))
		switch {
		case !arrivals[i].After(from):
			before = append(before, gap)
		case arrivals[i-1].Before(to):
			during = append(during, gap)
		}
	}
	return before, during
}

// runLongBeside lets clients stream and sends a long prompt beside them.
func runLongBeside(ctx context.Context, e *Env) error {
	c := &e.Target.Calib
	streaming, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	left := errors.New("bench: measured enough")
	seen := make([]*watched, e.Clients)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop(left)
	for i := range seen {
		w := &watched{more: make(chan struct{}, 1)}
		seen[i] = w
		rng := Rand(e.Seed, e.Start, e.Index, fmt.Sprintf("stream/%d", i))
		wg.Go(func() {
			for streaming.Err() == nil { // an answer that ends is followed by the next
				w.begin()
				_, err := e.Target.Chat(streaming, ChatRequest{
					Messages: c.UserPrompt(rng, c.User+16), MaxTokens: e.Tokens, OnText: w.arrived,
				})
				if streaming.Err() == nil || err == nil {
					e.Result(err)
				}
				if err != nil {
					stop(err)
				}
			}
		})
	}
	for _, w := range seen {
		if err := w.wait(streaming, stillness); err != nil {
			return err
		}
	}
	rng := Rand(e.Seed, e.Start, e.Index, "long")
	long, err := e.Chat(streaming, e.Target, ChatRequest{Messages: c.UserPrompt(rng, e.Prompt), MaxTokens: 8})
	if err != nil {
		return err
	}
	from, to := long.Sent, long.End
	if len(long.Arrivals) > 0 {
		to = long.Arrivals[0]
	}
	// One more text of each stream closes a gap that is still open.
	patience, done := context.WithTimeout(streaming, time.Minute)
	defer done()
	for _, w := range seen {
		if err := w.wait(patience, w.seen()+1); err != nil {
			return fmt.Errorf("bench: a stream did not go on behind the long prompt: %w", err)
		}
	}
	stop(left)
	worst := 0.0
	for _, w := range seen {
		before, during := w.split(from, to)
		e.Add("gap_before", before...)
		e.Add("gap_during", during...)
		for _, gap := range during {
			worst = max(worst, gap)
		}
	}
	e.Add("gap_worst", worst)
	e.Add("ttft_long", long.TTFT())
	e.Add("prompt", float64(long.Prompt))
	e.Add("cached", float64(long.Cached))
	return nil
}
