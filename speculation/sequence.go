package speculation

// Sequence guesses for one request.
type Sequence struct {
	space      string
	own        Index
	prediction []Token
	predicted  Index
	cursor     int // in prediction: what should come next
	run        int // how many tokens before the cursor were as predicted
	seen       int // tokens of the request that the cursor has followed
	rates      *Rates
	rehearsal  *rehearsed // nil = guesses are made of what was said

	// The guess that was proposed last.
	source Source
	length int
	drafts []float32 // Draft: the probabilities of its tokens
}

// NewSequence starts a request's guesses: its namespace, prompt and the client's
// prediction of the answer, which may be empty. rates are those of all requests
// like it. It indexes the prompt and may run on any goroutine.
func NewSequence(space string, prompt, prediction []Token, rates *Rates) *Sequence {
	s := &Sequence{space: space, prediction: prediction, rates: NewRates(rates), seen: len(prompt)}
	s.own.Add(prompt)
	s.predicted.Add(prediction)
	return s
}

// Propose appends up to most guesses of what follows text, the request's tokens
// so far, to dst: from the prediction and, with copies set, from what was said
// before. library may be nil.
func (s *Sequence) Propose(dst, text []Token, most int, copies bool, library *Library) []Token {
	if s.rehearsal != nil {
		s.source, s.length = Synthetic, 0
		return s.rehearsal.propose(dst, text, most)
	}
	s.own.Add(text)
	s.follow(text)
	from := len(dst)
	if s.cursor < len(s.prediction) && s.run > 0 {
		s.source, s.length = Prediction, s.run
		if dst = follow(dst, s.prediction, s.cursor, most, false); len(dst) > from {
			return dst
		}
	}
	if !copies {
		s.source, s.length = Prediction, 0
		return dst
	}
	next, length := s.own.Find(text, text)
	s.source, s.length = Own, length
	where, loop := text, true
	if library != nil {
		if shared, at, n := library.Find(s.space, text[max(0, len(text)-maxMatch):]); n > length {
			s.source, s.length = Shared, n
			where, next, loop = shared, at, false
		}
	}
	if s.length == 0 {
		return dst
	}
	return follow(dst, where, next, most, loop)
}

// follow moves the cursor through the prediction as the answer grows; where the
// answer left it, the cursor waits for a place where both agree again.
func (s *Sequence) follow(text []Token) {
	if len(s.prediction) == 0 {
		return
	}
	for ; s.seen < len(text); s.seen++ {
		if s.cursor < len(s.prediction) && s.prediction[s.cursor] == text[s.seen] {
			s.cursor++
			s.run++
			continue
		}
		s.run = 0
		if next, n := s.predicted.Find(s.prediction, text[:s.seen+1]); n > 0 {
			s.cursor, s.run = next, n
		}
	}
}

// Drafted says that the guesses are those of a draft model from now on, with its
// probabilities of them, which the caller leaves alone until Learn.
func (s *Sequence) Drafted(p []float32) { s.source, s.drafts = Draft, p }

// Ahead is Rates.Ahead for this request.
func (s *Sequence) Ahead(i int) float64 { return s.rates.Ahead(i) }

// Chance is that of the i-th of the guesses proposed last.
func (s *Sequence) Chance(i int) float64 {
	if s.source == Draft {
		return s.rates.AtDraft(s.drafts[i], i)
	}
	return s.rates.At(s.source, s.length, i)
}

// Sure tells whether the guesses proposed last are nearly certain: the client's own
// prediction, or more than a few words that stood in the same order before.
func (s *Sequence) Sure() bool {
	return s.source == Prediction || s.source != Draft && matchOf(s.length) >= 3
}

// Depth returns how many of n proposed guesses to verify, and the gain: see the
// function. cost includes what other sequences have planned already.
func (s *Sequence) Depth(n, streams int, cost func(k int) float64) (int, float64) {
	return Depth(n, float64(streams), s.Chance, cost)
}

// Learn takes in how many of the guesses proposed last were judged and right, as Rates
// does, and returns where they came from.
func (s *Sequence) Learn(judged, right int) Source {
	if s.source == Draft {
		s.rates.LearnDraft(s.drafts, judged, right)
	} else {
		s.rates.Learn(s.source, s.length, judged, right)
	}
	return s.source
}
