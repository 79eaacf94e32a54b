package inference

import "time"

// mostWrong is how many wrong trials of a draft model in a row make the next one
// rarer: each halves what is put aside for it.
const mostWrong = 4

// draftTrial is what may be spent to find out whether a draft model that does not
// pay pays by now: one part in probeShare of the time of steps, less after trials
// that were wrong.
type draftTrial struct {
	saved time.Duration // at most a second
	wrong int           // trials in a row, at most mostWrong
	on    bool          // the draft of the step being made is a trial
}

// aside puts a part of a step's time aside.
func (t *draftTrial) aside(step time.Duration) {
	t.saved = min(t.saved+step/probeShare>>t.wrong, mostAside)
}

// mostAside is the most that is saved up for trials.
const mostAside = time.Second

// begin tells whether there is enough for a trial at price, and begins it.
func (t *draftTrial) begin(price time.Duration) bool {
	t.on = t.saved > price
	return t.on
}

// spend takes what drafting cost, trial or not.
func (t *draftTrial) spend(d time.Duration) { t.saved = max(t.saved-d, 0) }

// pays says that the draft model is used without trials.
func (t *draftTrial) pays() { t.on, t.wrong = false, 0 }

// learn takes in what came of a draft; only trials count.
func (t *draftTrial) learn(right bool) {
	switch {
	case !t.on:
	case right:
		t.wrong = 0
	default:
		t.wrong = min(t.wrong+1, mostWrong)
	}
	t.on = false
}
