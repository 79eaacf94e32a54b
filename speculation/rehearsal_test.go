package speculation

import (
	"math"
	"slices"
	"testing"
)

func TestRehearsalGuessesWithItsChance(t *testing.T) {
	prompt := []Token{5, 6, 7}
	answer := make([]Token, 20000)
	for i := range answer {
		answer[i] = Token(i % 11)
	}
	f := func(chance float64) {
		t.Helper()
		r := NewRehearsal(chance)
		r.Keep(prompt, answer)
		s := NewSequence("", prompt, nil, NewRates(nil))
		r.Give(s, prompt)
		text := slices.Clone(prompt)
		var guessed, right int
		var dst []Token
		for len(text) < len(prompt)+len(answer) {
			said := len(text) - len(prompt)
			dst = s.Propose(dst[:0], text, 4, true, nil)
			if want := min(4, len(answer)-said); len(dst) != want {
				t.Fatalf("Propose at %d = %d guesses, want %d", said, len(dst), want)
			}
			for i, g := range dst {
				if guessed++; g == answer[said+i] {
					right++
				}
				if g < 0 || g > 10 {
					t.Fatalf("guess %d, want a token of the answer's vocabulary", g)
				}
			}
			text = append(text, answer[said])
		}
		if got := float64(right) / float64(guessed); math.Abs(got-chance) > 0.01 {
			t.Errorf("NewRehearsal(%g): %.3f of the guesses are right", chance, got)
		}
	}
	f(0)
	f(0.35)
	f(0.8)
	f(1)
}

func TestRehearsalEndsWhereTheTextLeavesIt(t *testing.T) {
	r := NewRehearsal(1)
	r.Keep([]Token{1}, []Token{2, 3, 4, 5})
	f := func(text []Token, want ...Token) {
		t.Helper()
		s := NewSequence("", text[:1], nil, NewRates(nil))
		r.Give(s, text[:1])
		if got := s.Propose(nil, text, 2, true, nil); !slices.Equal(got, want) {
			t.Errorf("Propose(%v) = %v, want %v", text, got, want)
		}
	}
	f([]Token{1}, 2, 3)
	f([]Token{1, 2, 3}, 4, 5)
	f([]Token{1, 2, 3, 4}, 5)
	f([]Token{1, 2, 3, 4, 5})
	f([]Token{1, 2, 3, 4, 5, 6})
	f([]Token{1, 2, 9})
	f([]Token{1, 2, 9, 5})
	f([]Token{8}) // never asked
}

func TestRehearsalIsBounded(t *testing.T) {
	r := NewRehearsal(1)
	for i := range Token(3 * maxAnswers) {
		r.Keep([]Token{i}, []Token{i, i})
		r.Keep([]Token{i}, []Token{i}) // known already
	}
	if len(r.answers) != maxAnswers || len(r.oldest) != maxAnswers {
		t.Errorf("%d answers, %d in order, want %d", len(r.answers), len(r.oldest), maxAnswers)
	}
	if got := r.answers[hashOf([]Token{3*maxAnswers - 1})]; len(got) != 2 {
		t.Errorf("the newest answer is %v, want what was said first", got)
	}
}
