package inference

import (
	"testing"
	"time"

	"repartee/speculation"
)

// shadowed lets a task whose guesses, of `each` tokens at a price, may not be verified
// go on, and tells after how many tokens its copies are let in; right says which
// tokens of the answer are as guessed.
func shadowed(s *shadow, text []Token, each int, plain, price time.Duration, most int, right func(i int) bool) (after int, longer []Token) {
	guess := make([]Token, each)
	for i := range most {
		if s.follow(text, plain) {
			return i, text
		}
		for j := range guess {
			guess[j] = Token(len(text) + j)
		}
		s.cast(guess, len(text), price)
		next := Token(len(text))
		if !right(i) {
			next = -1
		}
		text = append(text, next)
	}
	return most, text
}

func TestShadowLetsCopiesIn(t *testing.T) {
	const plain = 4 * time.Millisecond
	f := func(name string, each int, price time.Duration, right func(i int) bool, least, most int) {
		t.Helper()
		var s shadow
		if got, _ := shadowed(&s, []Token{1, 2, 3}, each, plain, price, 1000, right); got < least || got > most {
			t.Errorf("%s: let in after %d tokens, want %d … %d", name, got, least, most)
		}
	}
	always, never := func(int) bool { return true }, func(int) bool { return false }
	f("one guess, always right", 1, plain/2, always, 4, 4)     // half a step each
	f("eight guesses, always right", 8, 2*plain, always, 8, 8) // six steps
	f("never right", 8, 2*plain, never, 1000, 1000)
	f("right as often as it costs", 1, plain/2, func(i int) bool { return i%2 == 0 }, 1000, 1000)
	f("right from the 200th on", 4, plain, func(i int) bool { return i >= 200 }, 203, 205)
	f("dearer than it gains", 2, 3*plain, always, 1000, 1000)
}

// TestShadowsLossIsBounded has copies right as long as they are not verified, and wrong
// whenever they are.
func TestShadowsLossIsBounded(t *testing.T) {
	const plain, price, tokens = 4 * time.Millisecond, 6 * time.Millisecond, 1000
	g := guesser{rates: [2]*speculation.Rates{speculation.NewRates(nil), speculation.NewRates(nil)}}
	text := []Token{1, 2, 3, 4, 1, 2, 3}
	k := &task{tokens: text, spec: speculation.NewSequence("", text, nil, g.rates[0])}
	lost := time.Duration(0)
	for range tokens {
		g.step.plain = plain
		g.earn(k)
		if k.draft = k.spec.Propose(k.draft[:0], text, 1, true, nil); len(k.draft) != 1 {
			t.Fatalf("Propose = %d guesses, want 1", len(k.draft))
		}
		if g.affords(k) {
			k.price = price
			g.learn(k, 1, 0, 1, 0)
			k.tokens = append(k.tokens, -1)
			lost += price
			continue
		}
		k.shadow.cast(k.draft, len(k.tokens), 0)
		k.tokens = append(k.tokens, k.draft[0])
		g.learn(k, 0, 0, 1, 1)
	}
	// What the hundredth pays, the first step, and one with what goes beyond it for every
	// doubling of two steps within the thousand.
	if most := tokens*plain/lossShare + 10*price; lost > most || lost < 5*price {
		t.Errorf("guesses cost %s, want at most %s and at least %s", lost, most, 5*price)
	}
}

// Copies that have paid begin with the shortest shadow again.
func TestShadowForgetsWhatPaid(t *testing.T) {
	const plain = 4 * time.Millisecond
	var s shadow
	text, waits := []Token{1}, []int{}
	for i := range 4 {
		if i == 3 {
			s.paid()
		}
		n, longer := shadowed(&s, text, 1, plain, 0, 1000, func(int) bool { return true })
		text, waits = longer, append(waits, n)
	}
	if waits[0] != 2 || waits[1] != 4 || waits[2] != 8 || waits[3] != 2 {
		t.Errorf("let in after %d tokens, want 2, 4, 8 and, when they had paid, 2", waits)
	}
}
