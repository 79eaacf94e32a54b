package speculation

import "math/rand/v2"

// maxAnswers is how many answers a Rehearsal keeps.
const maxAnswers = 256

// Rehearsal makes guesses of a chosen quality, for benchmarks. What was answered
// once is kept; when the same is asked again, the answer's own tokens are guessed,
// each with the chosen chance and another one in its place otherwise. The rows, the
// verification and the taking back are real and the answer stays the same; only the
// chance is made.
type Rehearsal struct {
	chance  float64
	answers map[uint64][]Token
	oldest  []uint64
}

// NewRehearsal guesses each token rightly with a chance of 0 … 1.
func NewRehearsal(chance float64) *Rehearsal {
	return &Rehearsal{chance: chance, answers: map[uint64][]Token{}}
}

// Keep remembers what a prompt was answered; the oldest goes when there are too many.
func (r *Rehearsal) Keep(prompt, answer []Token) {
	key := hashOf(prompt)
	if _, ok := r.answers[key]; ok {
		return
	}
	if len(r.oldest) == maxAnswers {
		delete(r.answers, r.oldest[0])
		r.oldest = append(r.oldest[:0], r.oldest[1:]...)
	}
	r.oldest = append(r.oldest, key)
	r.answers[key] = append([]Token(nil), answer...)
}

// Give hands a sequence the answer that its prompt is known to have, if any: it
// proposes that from now on, and nothing else. A second call changes nothing.
func (r *Rehearsal) Give(s *Sequence, prompt []Token) {
	if s.rehearsal != nil {
		return
	}
	key := hashOf(prompt)
	s.rehearsal = &rehearsed{answer: r.answers[key], chance: r.chance, begins: len(prompt)}
	s.rehearsal.dice.Seed(key, uint64(len(prompt)))
}

// hashOf is FNV-1a over tokens.
func hashOf(text []Token) uint64 {
	h := uint64(14695981039346656037)
	for _, t := range text {
		h = (h ^ uint64(uint32(t))) * 1099511628211
	}
	return h
}

// rehearsed is one request's known answer.
type rehearsed struct {
	answer  []Token
	chance  float64
	begins  int // tokens of the prompt
	matched int // tokens of the answer that were said again
	left    bool
	dice    rand.PCG
}

// propose appends up to most guesses of what follows text; none once the text has
// left the known answer, which a sampled one does.
func (r *rehearsed) propose(dst, text []Token, most int) []Token {
	for ; !r.left && r.begins+r.matched < len(text); r.matched++ {
		r.left = r.matched >= len(r.answer) || text[r.begins+r.matched] != r.answer[r.matched]
	}
	if r.left {
		return dst
	}
	rest := r.answer[r.matched:]
	for _, t := range rest[:min(most, len(rest))] {
		if float64(r.dice.Uint64()>>11)/(1<<53) >= r.chance {
			t = other(t)
		}
		dst = append(dst, t)
	}
	return dst
}

// other is a token that is not t and that every vocabulary has.
func other(t Token) Token {
	if t == 0 {
		return 1
	}
	return t - 1
}
