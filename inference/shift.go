package inference

import "slices"

// ContextShift lets a request outgrow the context: the oldest of its tokens behind
// the first Keep are dropped, about half of them, and what stays is read again. The
// answer goes on as if nothing had happened. Positions in the cache are not moved:
// cells are shared by requests, may be quantised, and models with sliding windows
// would need it done otherwise, while reading is what the engine does best.
type ContextShift struct {
	Keep int // leading tokens of the prompt that stay
	// Turns are, ascending, where in the prompt turns of the user's begin, so that
	// whole turns are dropped; nil = it is not known.
	Turns []int
}

// mostContexts bounds the answer of a request that may shift, in contexts; it is
// what Ollama allows.
const mostContexts = 10

// Keeps tells whether so many kept tokens leave enough of a context to be dropped:
// they may take three quarters of it.
func Keeps(keep, size int) bool { return keep >= 0 && keep <= size/4*3 }

// Truncate drops the oldest tokens behind Shift.Keep of a prompt that a context of
// that many tokens does not hold, in steps of half of what may be dropped: a prompt
// that goes on growing then keeps its beginning for a while. It adds to Truncated
// and leaves the caller's slice as it was. Without Shift, or with a Keep that is too
// large, it does nothing.
func (r *Request) Truncate(size int) {
	c := r.Shift
	if c == nil || len(r.Prompt) < size || !Keeps(c.Keep, size) {
		return
	}
	block := (size - c.Keep) / 2
	room := block / 2 // for the answer
	if r.MaxTokens > 0 {
		room = min(room, r.MaxTokens)
	}
	over := len(r.Prompt) + max(room, 1) - size
	gone := run{c.Keep, c.Keep + (over+block-1)/block*block}
	r.Prompt = slices.Concat(r.Prompt[:gone.from], r.Prompt[gone.to:])
	r.Shift = &ContextShift{Keep: c.Keep, Turns: gone.without(c.Turns)}
	r.Truncated += gone.to - gone.from
}

// run is the tokens from … to−1 of a sequence.
type run struct{ from, to int }

// without maps places to where they are once the run is gone: those inside vanish.
func (r run) without(places []int) []int {
	var left []int
	for _, p := range places {
		if p < r.from || p >= r.to {
			left = append(left, r.move(p))
		}
	}
	return left
}

// move is where a place is once the run is gone.
func (r run) move(p int) int {
	return p - max(min(p, r.to)-r.from, 0)
}

// shifting is what a task that may shift knows of its tokens.
type shifting struct {
	keep   int     // leading tokens that stay
	turns  []int   // where turns of the user's begin, none of them in what stays
	answer int     // where the answer, or what is left of it, begins
	most   int     // generated tokens at which the answer ends
	said   []Token // everything, once something was dropped; nil before, or for nobody

	shifts, dropped int
}

// newShifting is a request's, or nil when it must not shift.
func newShifting(r *Request, size int) *shifting {
	c := r.Shift
	if c == nil || !Keeps(c.Keep, size) {
		return nil
	}
	m := &shifting{keep: min(c.Keep, len(r.Prompt)), answer: len(r.Prompt), most: mostContexts * size}
	for _, b := range c.Turns {
		if b >= m.keep && b < m.answer {
			m.turns = append(m.turns, b)
		}
	}
	if r.MaxTokens > 0 {
		m.most = min(m.most, r.MaxTokens)
	}
	return m
}

// choose says what to drop of n tokens in a context of size: whole turns up to the
// first one that begins in the newer half, or the last one of the older half if a
// quarter goes with that. Where the newest question and its answer are nearly all
// there is, the question stays as long as there is room for it, and the older half
// of the answer goes. Else it is the older half, wherever that ends. The last token
// always stays.
func (m *shifting) choose(n, size int) (old, said run) {
	left := n - m.keep
	half := m.keep + left/2
	for _, b := range m.turns {
		if b <= m.keep || b-m.keep < left/4 {
			continue
		}
		if old = (run{m.keep, b}); b >= half {
			break
		}
	}
	if old.to > 0 {
		return old, run{n, n}
	}
	if len(m.turns) > 0 {
		question, answered := m.turns[len(m.turns)-1], n-m.answer
		if m.keep+m.answer-question <= size/2 && answered > 1 {
			return run{m.keep, question}, run{m.answer, m.answer + answered/2}
		}
	}
	return run{m.keep, half}, run{n, n}
}

// drop takes the runs, the later one first, out of the tokens.
func (m *shifting) drop(tokens []Token, runs ...run) []Token {
	for _, r := range runs {
		tokens = slices.Delete(tokens, r.from, r.to)
		m.turns, m.answer = r.without(m.turns), r.move(m.answer)
		m.dropped += r.to - r.from
	}
	m.shifts++
	return tokens
}

// everything returns all tokens of prompt and answer, dropped ones included. It is
// the text that guesses are copied from: their index need not be built again, and
// what was dropped can still be repeated.
func (t *task) everything() []Token {
	if t.shift != nil && t.shift.said != nil {
		return t.shift.said
	}
	return t.tokens
}

// shift makes room for a task that has used up its context, or the cells: its oldest
// tokens are dropped and the rest is read again, as after a preemption, in chunks
// beside the other streams. What was read so far stays as an idle prefix. It returns
// false when the task must not, or cannot, shift; then nothing has changed.
func (s *scheduler) shift(t *task) bool {
	m := t.shift
	if m == nil {
		return false
	}
	size := s.e.ContextSize()
	old, said := m.choose(len(t.tokens), size)
	gone := old.to - old.from + said.to - said.from
	if gone <= 0 {
		return false
	}
	if m.said == nil && s.guess.most > 0 {
		m.said = append(make([]Token, 0, 2*len(t.tokens)), t.tokens...)
	}
	t.tokens = m.drop(t.tokens, said, old)
	t.limit = min(size, len(t.tokens)+m.most-t.generated)
	s.shifts++
	s.shifted += int64(gone)
	s.e.cfg.Log.Debug("context shift", "engine", s.e.cfg.Name, "request", t.req.ID, "dropped", gone, "kept", len(t.tokens), "generated", t.generated)
	if s.guess.model != nil {
		s.guess.model.leave(t)
	}
	t.known, t.draft = 0, t.draft[:0]
	t.open, t.filled, t.restoreTo, t.rows, t.group = false, 0, 0, 0, -1
	if err := s.tree.Close(t.seq, true); err != nil {
		s.e.cfg.Log.Error("closing a sequence", "engine", s.e.cfg.Name, "error", err)
	}
	seq, held, err := s.tree.Open(t.space, t.tokens, len(t.tokens)-1)
	if err != nil {
		s.end(t, FinishError, err)
		return true
	}
	t.seq, t.open, t.filled = seq, true, held
	s.beginRestore(t, false)
	s.guess.begins(t)
	return true
}
