package speculation

import "math"

// Chances tells how likely guess i of a sequence is, from 0, when all before it were
// right. *Sequence does.
type Chances interface{ Chance(i int) float64 }

// Bid is what a sequence proposes for a step.
type Bid struct {
	Of   Chances
	Most int // guesses that it has
	K    int // how many of them to verify, from Together

	chosen int     // so far, of which K is the best
	p      float64 // chance that the next guess is right and all before it
	tokens float64 // that the sequence is expected to get
	gain   float64 // logarithm of what the next guess makes of them
}

// Together chooses for all bids at once how many guesses to verify, at most most in
// all, and returns what that gains: the sum of the logarithms of the sequences' speeds
// over those without guesses, 0 when none is verified. base is the time of the step
// without them; more(i) adds one more guess of bid i to the step and returns its time.
// share is as in Depth, and each sequence that guesses must bring what Depth asks.
//
// One sequence after the other cannot find what is best for all: where a step is dear
// and a row in it cheap, the first guess pays only when others share the step's price.
// The guess that gains most is taken next, so for every number of rows the best choice
// of guesses is seen, and the best number is kept.
func Together(bids []Bid, most int, share, base float64, more func(i int) float64) float64 {
	for i := range bids {
		b := &bids[i]
		b.K, b.chosen, b.p, b.tokens = 0, 0, 1, 1
		b.next()
	}
	best, bestGain, total, guessing := 0.0, 0.0, 0.0, 0
	for range most {
		top := -1
		for i := range bids {
			if bids[i].gain > 0 && (top < 0 || bids[i].gain > bids[top].gain) {
				top = i
			}
		}
		if top < 0 {
			break
		}
		b := &bids[top]
		total += b.gain
		if b.chosen++; b.chosen == 1 {
			guessing++
		}
		b.tokens += b.p
		b.next()
		gain := total - share*math.Log(more(top)/base)
		if over := gain - worth*float64(guessing); over > best {
			best, bestGain = over, gain
			for i := range bids {
				bids[i].K = bids[i].chosen
			}
		}
	}
	return bestGain
}

// next weighs the guess behind those chosen.
func (b *Bid) next() {
	b.gain = 0
	if b.chosen >= b.Most {
		return
	}
	if b.p *= b.Of.Chance(b.chosen); b.p < 0.01 {
		return
	}
	b.gain = math.Log1p(b.p / b.tokens)
}
