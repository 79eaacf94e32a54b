package inference

import (
	"context"
	"time"
)

// Prefix is what a request will probably begin with: a turn that is still being
// typed or heard.
type Prefix struct {
	Tokens []Token // at least one, shorter than the context
	// Replaces are the Tokens of an earlier Prefix of the same turn: what of them
	// is no longer wanted gives its cells back. nil = none.
	Replaces  []Token
	Namespace string
	CacheSalt string
	Weight    float64 // the namespace's share beside the others', 0 = 1
}

// Prefill reads a prefix into the KV cache when nobody has more urgent work: a
// request in the same namespace that begins with it finds it cached. The stream
// ends with FinishStop when all is read; to close it gives the rest up and keeps
// what is read. An extended prefix goes on where the last one stopped, a changed
// one where it differs. The engine owns the prefix from now on.
//
// It fails with ErrEmptyPrompt, PromptTooLongError, QueueFullError when requests
// wait or as many prefixes as places are being read already, or ErrClosed.
func (e *Engine) Prefill(ctx context.Context, p *Prefix) (*Stream, error) {
	if len(p.Tokens) == 0 {
		return nil, ErrEmptyPrompt
	}
	if size := e.ContextSize(); len(p.Tokens) >= size {
		return nil, &PromptTooLongError{Prompt: len(p.Tokens), Context: size}
	}
	for _, tokens := range [][]Token{p.Tokens, p.Replaces} {
		if err := e.checkTokens(tokens); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	t := &task{
		space:  cacheSpace(p.Namespace, p.CacheSalt),
		req:    &Request{Prompt: p.Tokens, Namespace: p.Namespace, Weight: p.Weight, Priority: Batch, Speculate: SpeculateOff},
		stream: newStream(cancel), tokens: p.Tokens, limit: len(p.Tokens), group: -1, text: newTextOut(nil), submitted: time.Now(),
		ahead: true, replaces: p.Replaces,
	}
	e.mu.Lock()
	err := e.roomAhead()
	if err == nil {
		t.watch(ctx, e.wake) // before the scheduler can see, and even end, the task
		e.waiting = append(e.waiting, t)
	}
	e.mu.Unlock()
	if err != nil {
		cancel()
		return nil, err
	}
	e.wake()
	return t.stream, nil
}

// roomAhead tells whether one more prefix may wait. It needs mu.
func (e *Engine) roomAhead() error {
	if e.closed {
		return ErrClosed
	}
	ahead := 0
	for _, w := range e.waiting {
		if w.ctx.Err() != nil {
			continue
		}
		if !w.ahead {
			return &QueueFullError{Waiting: len(e.waiting), RetryAfter: time.Second}
		}
		ahead++
	}
	if ahead >= e.cfg.Parallel || len(e.waiting) >= 8*(e.cfg.MaxQueue+e.cfg.Parallel) {
		return &QueueFullError{Waiting: ahead, RetryAfter: time.Second}
	}
	return nil
}

// retract frees what t's predecessor read and t does not begin with. Others that
// share those tokens keep them.
func (s *scheduler) retract(t *task) {
	common := 0
	for common < min(len(t.tokens), len(t.replaces)) && t.tokens[common] == t.replaces[common] {
		common++
	}
	old := t.replaces
	t.replaces = nil
	if common == len(old) || s.tree.Match(t.space, old) <= common {
		return
	}
	seq, held, err := s.tree.Open(t.space, old, len(old))
	if err != nil {
		return // no sequence id is free: what is idle is evicted in its turn
	}
	if held > common {
		err = s.tree.Truncate(seq, common)
	}
	if e := s.tree.Close(seq, true); err == nil {
		err = e
	}
	if err != nil {
		s.e.cfg.Log.Error("dropping a replaced prefix", "engine", s.e.cfg.Name, "error", err)
	}
}
