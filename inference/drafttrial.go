package inference

import "time"

// maxTrialShare is how seldom a draft model is tried that keeps being wrong: one
// part of the time of steps in so many.
const maxTrialShare = 16 * probeShare

// draftTrial is what may be spent to find out whether a draft model that does not
// pay pays by now. A part of the time of steps is put aside for it, half as much
// after each trial that was wrong; a trial falls into one answer, however little it
// is of all.
type draftTrial struct {
	share int           // one part in so many is put aside; 0 = probeShare
	saved time.Duration // at most a second
	on    bool          // the draft of the step being made is a trial
}

// aside puts a part of a step's time aside.
func (t *draftTrial) aside(step time.Duration) {
	t.share = max(t.share, probeShare)
	t.saved = min(t.saved+step/time.Duration(t.share), time.Second)
}

// begin tells whether there is enough for a trial at price, and begins it.
func (t *draftTrial) begin(price time.Duration) bool {
	t.on = t.saved > price
	return t.on
}

// spend takes what drafting cost, trial or not.
func (t *draftTrial) spend(d time.Duration) { t.saved = max(t.saved-d, 0) }

// pays says that the draft model is used without trials.
func (t *draftTrial) pays() { t.on, t.share = false, probeShare }

// learn takes in what came of a draft; nothing is learned but of trials.
func (t *draftTrial) learn(right bool) {
	switch {
	case !t.on:
	case right:
		t.share = probeShare
	default:
		t.share = min(2*t.share, maxTrialShare)
	}
	t.on = false
}
