package inference

import (
	"context"
	"errors"
	"time"

	"repartee/inference/llama"
	"repartee/kvcache"
)

// Card is a GPU that others compute on too: the engine asks for it before each
// step. Enter waits until the card is the caller's, or for the end of ctx;
// deadline is when the step should be done.
type Card interface {
	Enter(ctx context.Context, deadline time.Time) error
	Leave()
}

// OnGPU is how an engine is run where a GPU computes its layers. There extra rows
// cost nearly nothing and a change of the number of rows costs a new graph: more
// of a prompt is read at once, and streams that begin at nearly the same time
// join in one step.
type OnGPU struct {
	Active bool
	// Card is who else computes on it; nil = nobody.
	Card Card
	// Lost is called once when a step has failed so that the context can never be
	// used again. It must not wait for the engine. nil = nobody wants to know.
	Lost func(error)
}

// What a GPU likes.
const (
	gpuRows     = 1024                 // most rows in a step
	gpuMinChunk = 64                   // fewest prompt rows read beside streams
	gpuJoin     = 3 * time.Millisecond // how long a stream waits for others to join with it
)

// enter waits for the card; false when the engine is being closed.
func (s *scheduler) enter() bool {
	card := s.e.cfg.GPU.Card
	if card == nil {
		return true
	}
	// Streams wait for their tokens: a step is due by when the one before would
	// have been late.
	return card.Enter(s.e.life, time.Now().Add(2*s.cost.predict(s.load))) == nil
}

func (s *scheduler) leave() {
	if card := s.e.cfg.GPU.Card; card != nil {
		card.Leave()
	}
}

// leastChunk is the fewest prompt rows read beside running streams, so that a
// prompt makes progress whatever the budget says.
func (s *scheduler) leastChunk() int {
	if s.e.cfg.GPU.Active {
		return gpuMinChunk
	}
	return minChunk
}

// joins tells whether new tasks may be admitted now. On a GPU those that come
// while others stream are let in together, at most gpuJoin after the first, since
// each change of the batch costs a new graph.
func (s *scheduler) joins(now time.Time) bool {
	if !s.e.cfg.GPU.Active || len(s.active) == 0 {
		return true
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	for _, t := range s.e.waiting {
		if now.Sub(t.submitted) >= gpuJoin {
			return true
		}
	}
	return false
}

// lost tells that the context can never be used again.
func (s *scheduler) lost(err error) {
	if f := s.e.cfg.GPU.Lost; f != nil && errors.Is(err, llama.ErrFatal) {
		s.e.cfg.GPU.Lost = nil
		f(err)
	}
}

// Tick computes one row when nothing else is to be computed, which keeps a GPU's
// clocks up. It fails with the step's error or ErrClosed.
func (e *Engine) Tick() error {
	var failed error
	if err := e.errand(func() { failed = e.sched.tick() }); err != nil {
		return err
	}
	return failed
}

func (s *scheduler) tick() error {
	if len(s.active) > 0 || s.queued() > 0 {
		return nil
	}
	tok := []Token{max(s.e.info.BOS, 0)}
	seq, held, err := s.tree.Open("", tok, 0)
	if err != nil {
		return nil // all is kept for somebody: not worth making room
	}
	dead := false
	defer func() {
		if dead {
			return // there is no memory any more to close it in
		}
		if err := s.tree.Close(seq, false); err != nil {
			s.e.cfg.Log.Error("closing a sequence", "engine", s.e.cfg.Name, "error", err)
		}
	}()
	cells, err := s.tree.Extend(seq, tok, nil)
	if errors.Is(err, kvcache.ErrFull) {
		return nil
	}
	if err != nil {
		return err
	}
	s.batch.Reset()
	s.batch.Add(tok[0], llama.Pos(held), seq)
	s.batch.Cells = append(s.batch.Cells, cells...)
	if !s.enter() {
		return ErrClosed
	}
	err = s.e.ctx.Step(&s.batch)
	s.leave()
	s.batch.Reset()
	if err != nil {
		if dead = errors.Is(err, llama.ErrFatal); dead {
			s.restart(err)
			s.lost(err)
		} else if terr := s.tree.Truncate(seq, 0); terr != nil { // the row is not in memory
			s.e.cfg.Log.Error("taking back a row", "engine", s.e.cfg.Name, "error", terr)
		}
	}
	return err
}

// LastStep is when the engine computed last, for whoever keeps an idle card awake.
func (e *Engine) LastStep() time.Time { return time.Unix(0, e.lastStep.Load()) }
