package inference

import (
	"time"

	"repartee/inference/llama"
)

// deliver hands the step's tokens to their streams and ends what is complete.
func (s *scheduler) deliver(now time.Time) {
	for i := len(s.active) - 1; i >= 0; i-- { // end removes from the list
		t := s.active[i]
		if t.rows == 0 {
			continue
		}
		t.filled += t.rows - len(t.draft)
		if t.group < 0 {
			continue
		}
		g := &s.batch.Groups[t.group]
		if !s.verified(t, g) {
			continue
		}
		for k := range g.Accepted {
			if s.token(t, s.batch.Out[g.First+k], s.logprobs(g.First+k), now) {
				break
			}
		}
	}
}

// logprobs returns the log-probabilities of the batch's i-th output, if any.
func (s *scheduler) logprobs(i int) []llama.TokenLogprob {
	if i < len(s.batch.Logprobs) {
		return s.batch.Logprobs[i]
	}
	return nil
}

// token takes one generated token in and tells whether it was the last, for the
// time being.
func (s *scheduler) token(t *task, tok Token, probs []llama.TokenLogprob, now time.Time) bool {
	if t.generated == 0 {
		t.first = now
	} else {
		s.e.cfg.Observer.InterToken(s.e.cfg.Name, now.Sub(t.last).Microseconds())
	}
	t.last = now
	t.generated++
	s.generated++
	t.tokens = append(t.tokens, tok)
	if m := t.shift; m != nil && m.said != nil {
		m.said = append(m.said, tok)
	}
	model := s.e.model
	if model.IsEOG(tok) && !t.req.Sampling.IgnoreEOG {
		t.stream.put(t.text.flush(), nil)
		s.end(t, FinishStop, nil)
		return true
	}
	text, stop := t.text.push(model.Piece(tok, t.req.KeepSpecial))
	var info *TokenInfo
	if len(probs) > 0 {
		info = s.tokenInfo(probs)
	}
	if len(text) > 0 || info != nil {
		t.stream.put(text, info)
	}
	if stop != nil {
		t.result.StopString = string(stop)
		s.end(t, FinishStop, nil)
		return true
	}
	if len(t.tokens) >= t.limit {
		if t.shift != nil && t.generated < t.shift.most && s.shift(t) {
			return true
		}
		if rest := t.text.flush(); len(rest) > 0 {
			t.stream.put(rest, nil)
		}
		s.end(t, FinishLength, nil)
		return true
	}
	return false
}

// tokenInfo translates log-probabilities for the stream.
func (s *scheduler) tokenInfo(probs []llama.TokenLogprob) *TokenInfo {
	text := func(t Token) string { return string(s.e.model.Piece(t, true)) }
	info := &TokenInfo{Token: probs[0].Token, Text: text(probs[0].Token), Logprob: probs[0].Logprob}
	for _, p := range probs[1:] {
		info.Top = append(info.Top, TokenAlternative{Token: p.Token, Text: text(p.Token), Logprob: p.Logprob})
	}
	return info
}

// end finishes a task wherever it stands; its tokens stay as idle prefix.
func (s *scheduler) end(t *task, why FinishReason, err error) {
	if t.rows > 0 && t.open && s.tree.Len(t.seq) > t.filled {
		s.undo(t) // planned rows that were never computed
	}
	s.release(t)
	if t.stopCtx != nil {
		t.stopCtx()
	}
	if t.sampler != nil {
		t.sampler.Close()
		t.sampler = nil
	}
	if why == FinishCancelled || why == FinishError {
		if rest := t.text.flush(); len(rest) > 0 {
			t.stream.put(rest, nil)
		}
	}
	if t.ahead {
		s.aheadTokens += int64(max(t.filled-t.cached, 0))
		t.stream.finish(Result{Finish: why, PromptTokens: len(t.tokens), CachedTokens: t.cached}, err)
		return
	}
	s.guess.keep(t, why)
	now := time.Now()
	r := t.result
	r.Finish, r.PromptTokens, r.CachedTokens, r.CompletionTokens = why, len(t.req.Prompt), t.cached, t.generated
	if r.ShiftedTokens = t.req.Truncated; r.ShiftedTokens > 0 {
		r.Shifts = 1
	}
	if m := t.shift; m != nil {
		r.Shifts, r.ShiftedTokens = r.Shifts+m.shifts, r.ShiftedTokens+m.dropped
	}
	r.Timings.Total = now.Sub(t.submitted)
	if !t.started.IsZero() {
		r.Timings.Queue = t.started.Sub(t.submitted)
		if !t.first.IsZero() {
			r.Timings.Prefill = t.first.Sub(t.started)
			r.Timings.FirstToken = t.first.Sub(t.submitted)
		}
		if t.generated > 0 {
			s.e.outlook.answered(t.generated)
		}
	}
	s.e.cfg.Observer.Finished(s.e.cfg.Name, r)
	t.stream.finish(r, err)
}
