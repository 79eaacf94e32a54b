package inference

import (
	"time"

	"repartee/speculation"
)

// shadow follows what copies would have gained while a request may not verify any: a
// guess that would have been verified is remembered with its price and compared with
// what the model goes on to say. Copies that begin to be right are let in again long
// before a hundredth of the time has paid for what the first ones cost.
type shadow struct {
	guess  [speculation.MaxDraft]Token
	n      int // guesses; 0 = none is being compared
	at     int // where in the text the first one stands
	right  int
	price  time.Duration
	gained time.Duration // by one guess after the other, not below nothing
	times  int           // that it had copies let in since they last paid, at most mostShadows
}

// shadowSteps is what must have been gained, in steps, before copies are let in
// again: twice as much each time, so that a request whose copies are right only while
// they are not verified loses a step for every doubling and no more. After mostShadows
// doublings it stays at 512 steps.
const (
	shadowSteps = 2
	mostShadows = 8
)

// cast begins with a guess that is not verified: of what stands in the text from at
// on, at a price for all streams together. While another is compared it does nothing.
func (s *shadow) cast(guess []Token, at int, price time.Duration) {
	if s.n == 0 {
		s.n, s.at, s.right, s.price = copy(s.guess[:], guess), at, 0, price
	}
}

// follow compares text, which has grown, and tells whether copies are worth another
// try. plain is the time of a step without guesses.
func (s *shadow) follow(text []Token, plain time.Duration) bool {
	for s.right < s.n && s.at+s.right < len(text) {
		if text[s.at+s.right] != s.guess[s.right] {
			return s.over(plain)
		}
		s.right++
	}
	return s.n > 0 && s.right == s.n && s.over(plain)
}

// over books a guess that has been compared.
func (s *shadow) over(plain time.Duration) bool {
	s.gained = max(s.gained+time.Duration(s.right)*plain-s.price, 0)
	s.n = 0
	if s.gained < plain*shadowSteps<<s.times {
		return false
	}
	s.gained, s.times = 0, min(s.times+1, mostShadows)
	return true
}

// paid says that copies which were verified have paid.
func (s *shadow) paid() { s.times = 0 }
