package speculation

import "math"

// worth is by how much a step must get better before rows are spent on guesses:
// costs and chances are estimates.
const worth = 0.03

// Depth returns how many of at most most guesses a sequence should verify in a
// step, and what that gains: the logarithm of its speed over that without
// guesses, less what the others lose; 0 with no guesses. chance(i) is that of
// guess i when all before it were right, cost(k) the time of the step with k
// guesses of this sequence.
//
// The sequence gains tokens, everybody pays the time: what is best is the largest
// sum of the logarithms of all sequences' speeds (proportional fairness, Kelly
// 1997), so a sequence alone takes what makes it fastest, and one among many only
// what costs the others little. share is how many sequences pay for each that
// gains: all of the batch for one that copies, 1 where all draft together.
func Depth(most int, share float64, chance func(i int) float64, cost func(k int) float64) (int, float64) {
	base := cost(0)
	best, bestGain := 0, worth
	tokens, p := 1.0, 1.0
	for k := 1; k <= most; k++ {
		if p *= chance(k - 1); p < 0.01 {
			break
		}
		tokens += p
		if gain := math.Log(tokens) - share*math.Log(cost(k)/base); gain > bestGain {
			best, bestGain = k, gain
		}
	}
	if best == 0 {
		return 0, 0
	}
	return best, bestGain
}
