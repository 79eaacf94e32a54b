package gpu

import (
	"context"
	"errors"
	"sync"
	"time"
)

// State is a card as it was read last.
type State struct {
	Device Device `json:"device"`
	Sample Sample `json:"sample"`
	// Error is why the last reading failed, empty when it did not.
	Error string `json:"error,omitempty"`
	// Lost says that the card has gone for good.
	Lost bool `json:"lost,omitempty"`
	// JoulesPerToken is the card's energy shared by the tokens generated lately; 0
	// when nothing can be said.
	JoulesPerToken float64 `json:"joules_per_token,omitempty"`
}

// Watcher reads one card from time to time. It has one goroutine, which Close
// ends. Its methods are for any goroutine.
type Watcher struct {
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	state State
}

// energySpan is over how long energy and tokens are compared.
const energySpan = 10 * time.Second

// Watch reads device i every interval. tokens tells how many tokens were generated
// since the start, or is nil. lost is called once, from the watcher's goroutine,
// when two readings in a row found the card gone.
func Watch(t *Telemetry, i int, every time.Duration, tokens func() int64, lost func(error)) *Watcher {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{cancel: cancel}
	for _, d := range t.Devices() {
		if d.Index == i {
			w.state.Device = d
		}
	}
	if tokens == nil {
		tokens = func() int64 { return 0 }
	}
	w.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var before Sample
		var had int64
		missed := 0
		for {
			s, err := t.Sample(i)
			n := tokens()
			w.mu.Lock()
			if err == nil {
				w.state.Sample, w.state.Error, missed = s, "", 0
				if before.At.IsZero() || n == had && s.At.Sub(before.At) > energySpan {
					before, had = s, n // nothing was generated: idle energy is not shared out
				} else if s.At.Sub(before.At) >= energySpan {
					if e := EnergyPerToken(before, s, int(n-had)); e > 0 {
						w.state.JoulesPerToken = e
					}
					before, had = s, n
				}
			} else {
				w.state.Error = err.Error()
				if errors.Is(err, ErrGone) {
					missed++
				}
			}
			w.state.Lost = missed >= 2
			gone := w.state.Lost
			w.mu.Unlock()
			if gone {
				if lost != nil {
					lost(err)
				}
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return w
}

// State is what was read last.
func (w *Watcher) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// Close ends the readings and waits for one that is under way. lost must not call
// it.
func (w *Watcher) Close() {
	w.cancel()
	w.done.Wait()
}
