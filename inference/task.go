package inference

import (
	"context"
	"sync/atomic"
	"time"

	"repartee/inference/llama"
	"repartee/kvcache"
	"repartee/kvcache/tier"
	"repartee/speculation"
)

// task is a request from Submit to its end. The scheduler owns it but for the
// two atomics.
type task struct {
	req     *Request
	space   string // in which prefixes and answers are shared
	stream  *Stream
	sampler *llama.Sampler
	left    atomic.Bool     // the request's context ended
	ctx     context.Context // of the request: over when the client left
	stopCtx func() bool     // releases the watch on that context

	tokens    []Token // prompt, then what was generated
	limit     int     // len(tokens) at which the answer ends with "length"
	seq       kvcache.Seq
	open      bool // seq is valid
	filled    int  // tokens in cells
	cached    int  // prompt tokens taken over, at first admission
	generated int
	text      textOut

	// waitFor computes a prefix that this prompt shares, up to waitAt.
	waitFor    *task
	waitAt     int
	waitShifts int // of waitFor, when waitAt was found

	shift *shifting // nil = the answer ends where the context does

	ahead    bool    // reads and never answers, see Prefill
	replaces []Token // what was read ahead of the same turn before

	spec    *speculation.Sequence // nil = no guesses
	guesses int                   // most of them in a step
	draft   []Token               // guesses in this step, behind the newest token
	beyond  []Token               // the next one, which this step does not verify, if there is one
	room    int                   // most guesses in this step
	price   time.Duration         // of those, for all streams together
	credit  time.Duration         // what copies may still lose, see guesser.affords
	earned  bool                  // credit has begun
	shadow  shadow                // what copies would gain while they may not go on

	// Guesses of the draft model: copies and drafts say who may guess, wants that it
	// was the draft model's turn in this step, known how many tokens it can read, heard
	// since when a draft head reads it.
	copies, drafts, wants bool
	known, heard          int
	follow                follower
	odds, hope            float64 // of the last guess, and tokens to be expected

	// Tiers: the beginning of tokens is restored up to restoreTo, of which
	// restoreFrom lay in cells; restoreFirst when that counts as cached. ticket is a fetch from files, asked for once.
	restoreTo, restoreFrom int
	restoreFirst, fromDisk bool
	asked                  bool
	ticket                 *tier.Ticket

	account *account // of the namespace, once it ran
	refused error    // why it never will

	group int // index in the batch's groups, −1 = none this step
	rows  int // rows in the batch this step

	submitted, started, first, last time.Time
	result                          Result
}

func (t *task) pending() int { return len(t.tokens) - t.filled }

// decoding tells whether the task generates: only its newest token is missing.
func (t *task) decoding() bool {
	return t.open && t.pending() == 1 && t.generated > 0 && !t.restoring()
}

// restoring tells whether pieces of its beginning are still to be loaded.
func (t *task) restoring() bool { return t.filled < t.restoreTo }

// watch lets the end of ctx reach the scheduler.
func (t *task) watch(ctx context.Context, wake func()) {
	t.ctx = ctx
	t.stopCtx = context.AfterFunc(ctx, func() {
		t.left.Store(true)
		wake()
	})
}

// shifts is how often the task's tokens have changed.
func (t *task) shifts() int {
	if t.shift == nil {
		return 0
	}
	return t.shift.shifts
}

// shared returns how many leading tokens two prompts have in common.
func (t *task) shared(o *task) int {
	if t.space != o.space {
		return 0
	}
	n := min(len(t.tokens), len(o.tokens))
	for i := range n {
		if t.tokens[i] != o.tokens[i] {
			return i
		}
	}
	return n
}

// urgency orders prefills of one class and namespace: short before long, with
// credit for waiting so that nothing starves. Lower goes first.
func (t *task) urgency(now time.Time) float64 {
	return float64(t.pending()) - now.Sub(t.submitted).Seconds()*200
}
