package inference

import (
	"testing"
	"time"

	"repartee/speculation"
)

// TestLossesAreBounded has a request whose guesses are all wrong, and one whose
// first ones are right, go on for a thousand steps, and holds what guesses cost
// against the bound.
func TestLossesAreBounded(t *testing.T) {
	const plain, price = 4 * time.Millisecond, 3 * time.Millisecond
	f := func(name string, same int, right int, most time.Duration) {
		t.Helper()
		g := guesser{rates: [2]*speculation.Rates{speculation.NewRates(nil), speculation.NewRates(nil)}}
		var text []Token // the last `same` tokens stood there before, behind another one
		for i := range same {
			text = append(text, Token(10+i))
		}
		text = append(append([]Token{1}, append(text, 5, 6)...), text...)
		k := &task{spec: speculation.NewSequence("", text, nil, g.rates[0])}
		lost, least := time.Duration(0), time.Duration(0)
		for range 1000 {
			g.step.plain = plain
			g.earn(k)
			k.draft = k.spec.Propose(k.draft[:0], text, 1, true, nil)
			if len(k.draft) != 1 {
				t.Fatalf("%s: Propose = %d guesses, want 1", name, len(k.draft))
			}
			if !g.affords(k) {
				continue
			}
			k.price = price
			accepted := min(right, 1)
			right -= accepted
			g.learn(k, 1, accepted, 1, accepted)
			lost += time.Duration(accepted)*plain - price
			least = min(least, lost)
		}
		if -least > most || least == 0 {
			t.Fatalf("%s: guesses cost up to %s, want something and at most %s", name, -least, most)
		}
	}
	share := 1000 * plain / lossShare
	f("a short match", 3, 0, lossSteps*plain+share+price)
	f("a long match", 12, 0, (lossSteps+sureSteps)*plain+share+price)
	f("right at first", 3, 100, share+price) // what was gained is not lost again but for keptSteps
}

// What is turned down and judged all the same costs a request nothing: behind a loss
// its credit grows until copies are verified again.
func TestJudgingCostsNothing(t *testing.T) {
	const plain, price = 4 * time.Millisecond, 6 * time.Millisecond
	text := []Token{1, 2, 3, 4, 5, 6, 1, 2, 3}
	g := guesser{rates: [2]*speculation.Rates{speculation.NewRates(nil), speculation.NewRates(nil)}}
	k := &task{spec: speculation.NewSequence("", text, nil, g.rates[0])}
	verified := func() bool {
		t.Helper()
		g.step.plain = plain
		g.earn(k)
		if k.draft = k.spec.Propose(k.draft[:0], text, 1, true, nil); len(k.draft) != 1 {
			t.Fatalf("Propose = %d guesses, want 1", len(k.draft))
		}
		return g.affords(k)
	}
	if !verified() {
		t.Fatal("the first guess is not verified")
	}
	k.price = price
	g.learn(k, 1, 0, 1, 0)
	wait := int((price - lossSteps*plain) / (plain / lossShare)) // about
	for i := range 2 * wait {
		if verified() {
			if i < wait/2 {
				t.Fatalf("verified again after %d steps, want about %d", i, wait)
			}
			return
		}
		g.learn(k, 0, 0, 1, i%2)
	}
	t.Fatalf("not verified again within %d steps, credit %s", 2*wait, k.credit)
}
