package cmd

import (
	"context"
	"sync/atomic"
	"time"

	"repartee/gpu"
	"repartee/inference"
	"repartee/tts"
)

// card is the GPU that this process computes on: what reads it, shares it out and
// keeps it awake. A nil card is the case without one.
type card struct {
	device  device
	arbiter *gpu.Arbiter
	watcher *gpu.Watcher
	keep    *gpu.KeepAlive
	set     atomic.Pointer[inference.Set]
	lost    atomic.Pointer[chan error] // where to tell why it cannot be used any more
	before  uint64                     // bytes free before anything was loaded
	after   atomic.Uint64
}

// How often the card is read.
const readCard = time.Second

// newCard begins to watch the chosen GPU; nil without one.
func newCard(d device) *card {
	if !d.CUDA {
		return nil
	}
	c := &card{device: d, arbiter: gpu.NewArbiter(), before: d.Device.FreeBytes}
	c.watcher = gpu.Watch(d.telemetry, d.Device.Index, readCard, c.tokens, c.gone)
	return c
}

// gone notes the first reason for which the card cannot be used any more.
func (c *card) gone(err error) {
	if to := c.lost.Load(); to != nil {
		select {
		case *to <- err:
		default: // one reason is enough
		}
	}
}

// tokens is how many were generated since the start.
func (c *card) tokens() (n int64) {
	if set := c.set.Load(); set != nil {
		for _, e := range set.Engines() {
			n += e.Stats().Generated
		}
	}
	return n
}

// loaded is told when everything is resident: what was taken is known then, and
// the clocks are kept up from then on.
func (c *card) loaded(set *inference.Set, awake time.Duration) {
	if c == nil {
		return
	}
	c.set.Store(set)
	if s, err := c.device.telemetry.Sample(c.device.Device.Index); err == nil {
		c.after.Store(s.FreeBytes)
	}
	engines := set.Engines()
	if awake <= 0 || len(engines) == 0 {
		return
	}
	used := func() (last time.Time) {
		for _, e := range engines {
			if t := e.LastStep(); t.After(last) {
				last = t
			}
		}
		return last
	}
	c.keep = gpu.StartKeepAlive(awake, used, func(context.Context) error { return engines[0].Tick() })
}

// close ends what runs for the card.
func (c *card) close() {
	if c != nil {
		c.keep.Stop()
		c.watcher.Close()
	}
}

// tell has the card's loss told to a channel with room for it.
func (c *card) tell(to chan error) {
	if c != nil {
		c.lost.Store(&to)
	}
}

// speech is the way of voices to the arbiter; nil without a card.
func (c *card) speech() tts.Card {
	if c == nil {
		return nil
	}
	return turns{c.arbiter, gpu.Speech}
}

// onGPU is what an engine is told.
func (c *card) onGPU() inference.OnGPU {
	if c == nil {
		return inference.OnGPU{}
	}
	return inference.OnGPU{Card: turns{c.arbiter, gpu.Decode}, Lost: c.gone}
}

// turns is one kind of work's way to the arbiter.
type turns struct {
	arbiter *gpu.Arbiter
	use     gpu.Use
}

// Enter waits for the card.
func (t turns) Enter(ctx context.Context, deadline time.Time) error {
	return t.arbiter.Enter(ctx, t.use, deadline)
}

// Leave gives it back.
func (t turns) Leave() { t.arbiter.Leave(t.use) }

// report is what /health says of the card.
type cardReport struct {
	gpu.State
	Planned *plannedMemory     `json:"plan,omitempty"`
	Turns   map[string]turnUse `json:"turns"`
}

// plannedMemory is the plan beside what loading took.
type plannedMemory struct {
	Models  []gpu.Fit  `json:"models"`
	Parts   []gpu.Part `json:"parts"`
	Reserve uint64     `json:"reserve_bytes"`
	Needed  uint64     `json:"needed_bytes"` // without the reserve
	Taken   uint64     `json:"taken_bytes"`  // by loading, as the driver tells; 0 = unknown
}

// turnUse is what one kind of work had of the card.
type turnUse struct {
	Turns         int64   `json:"turns"`
	HeldSeconds   float64 `json:"held_seconds"`
	WaitedSeconds float64 `json:"waited_seconds"`
	ExpectMillis  float64 `json:"expect_ms"`
}

func (c *card) report() *cardReport {
	if c == nil {
		return nil
	}
	r := &cardReport{State: c.watcher.State(), Turns: map[string]turnUse{}}
	if p := c.device.plan; p != nil {
		r.Planned = &plannedMemory{Models: p.Models, Parts: p.Want.Parts, Reserve: p.Want.Reserve, Needed: p.Need() - p.Want.Reserve}
		if after := c.after.Load(); after > 0 && c.before > after {
			r.Planned.Taken = c.before - after
		}
	}
	s := c.arbiter.Stats()
	for _, u := range []gpu.Use{gpu.Decode, gpu.Speech} {
		r.Turns[u.String()] = turnUse{s.Turns[u], s.Held[u].Seconds(), s.Waited[u].Seconds(), float64(s.Expect[u].Microseconds()) / 1000}
	}
	return r
}
