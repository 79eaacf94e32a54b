// Package speculation guesses the next tokens of a generation, and decides how
// many of the guesses are worth a row in the next step.
//
// Guesses are copied from what was said before: the request's own tokens, the
// client's prediction, and what other requests of the same namespace were
// answered (Library). Or a second, smaller model made them, of which only the
// chances are known here (Sequence.Drafted). The model then verifies all of them
// in one step, so a wrong guess costs time and never a word. Depth weighs the
// chance that a guess is right, as it was learned so far (Rates), against what
// its row costs on this machine with this batch, and takes none where it would
// not pay.
//
// The package knows no model and no clock; one goroutine uses it.
package speculation

// Token is an id in a model's vocabulary; negative ones separate texts.
type Token = int32

// MaxDraft is the most guesses a sequence verifies in one step.
const MaxDraft = 31
