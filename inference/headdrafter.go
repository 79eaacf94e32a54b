package inference

import (
	"errors"
	"fmt"
	"time"

	"repartee/inference/llama"
)

// headContext is a context with a draft head. *llama.Context is one.
type headContext interface {
	Draft(*llama.Draft) error
	FollowHead(on bool)
}

// followSteps is how long a head that does not pay goes on to read steps.
const followSteps = 32

// mostLost is how many steps in a row a head may fail to read.
const mostLost = 3

// headDrafter guesses with a draft head, which reads the hidden states of every step
// as it is computed: it is never behind, but what it did not read is lost to it. So
// reading costs something whether it guesses or not, and a head that does not pay
// stops reading. It looks again when enough was put aside for it and a request begins:
// one that is under way has said what the head would have to know.
type headDrafter struct {
	drafting
	ctx   headContext
	head  llama.Head
	wish  llama.Draft
	on    bool
	turn  int  // how often it has begun to read
	pays  bool // the last decision was for it
	asked int  // decisions against it in a row that it still may take
	gone  bool // it failed
	lost  int  // steps in a row that it could not read
}

func newHeadDrafter(e *Engine, parent *costModel) (*headDrafter, error) {
	ctx, ok := e.ctx.(headContext)
	if !ok {
		return nil, errors.New("the context takes no draft heads")
	}
	return &headDrafter{drafting: newDrafting(e, parent), ctx: ctx, head: e.cfg.Draft.Head, on: true, asked: followSteps}, nil
}

// begins has it read again where what is put aside pays for the task's prompt and for
// as many steps as the prompt and a trial may take.
func (d *headDrafter) begins(t *task) {
	if !d.on && !d.gone {
		prompt := max(t.pending(), 1)
		price := d.following(prompt, prompt*len(t.tokens)/2) + followSteps*d.following(1, len(t.tokens))
		if d.trial.saved > min(price, mostAside*9/10) {
			d.turn++
			d.follow(true)
			d.asked = 2 * followSteps
		}
	}
	t.heard = d.turn
	if !d.on {
		t.heard = unheard
	}
}

// unheard is a task's time of a head that did not read when it began.
const unheard = -1

func (d *headDrafter) knows(t *task) bool { return t.heard == d.turn }
func (d *headDrafter) behind(*task) int   { return 1 }

func (d *headDrafter) draft(tasks []*task, most int, _ func(*task) bool) {
	d.wish.Reset()
	for _, t := range tasks {
		d.wish.Add(t.seq, t.tokens[len(t.tokens)-1], llama.Pos(t.filled), min(most, t.room, d.head.Most))
	}
	began := time.Now()
	if err := d.ctx.Draft(&d.wish); err != nil {
		d.fail(err)
		return
	}
	took := time.Since(began)
	held, rows, deepest, drafting := 0, 0, 0, 0
	for i, t := range tasks {
		for k, tok := range d.wish.Tokens[i] {
			p := d.wish.Probs[i][k]
			if p < 0 {
				p = unsure
			}
			t.draft, t.follow.probs = append(t.draft, tok), append(t.follow.probs, p)
			if d.e.model.IsEOG(tok) {
				break
			}
		}
		if n := len(d.wish.Tokens[i]); n > 0 {
			held += t.filled
			rows += n
			deepest = max(deepest, n)
			drafting++
		}
	}
	if deepest == 0 {
		return
	}
	steps := deepest
	if d.head.Kind.Block() {
		steps, rows = 1, drafting*(1+d.head.Most)
	}
	d.cost.learn(d.round(rows/steps, held), took/time.Duration(steps))
	d.book(steps, rows, took)
}

// round is one step of the head for so many rows.
func (d *headDrafter) round(rows, held int) stepLoad {
	return stepLoad{rows: max(rows, 1), attended: held, outputs: max(rows, 1)}
}

func (d *headDrafter) rounds(k, tasks, _, held int) time.Duration {
	switch {
	case k == 0:
		return 0
	case d.head.Kind.Block():
		return d.cost.predict(d.round(tasks*(1+d.head.Most), held))
	}
	return time.Duration(k) * d.cost.predict(d.round(tasks, held))
}

func (d *headDrafter) following(rows, held int) time.Duration {
	return d.cost.predict(stepLoad{rows: rows, attended: held})
}

func (d *headDrafter) most() int { return d.head.Most }

func (d *headDrafter) depth(rounds int) int {
	if d.head.Kind.Block() {
		return d.head.Most // they cost the same
	}
	return rounds
}

func (d *headDrafter) awake() bool { return d.on }

func (d *headDrafter) used(pays bool) {
	d.pays = pays
	if pays {
		d.asked = followSteps
	} else if d.asked--; d.asked < 0 {
		d.follow(false)
	}
}

func (d *headDrafter) follow(on bool) {
	d.on, d.pays = on, false
	d.ctx.FollowHead(on)
}

func (d *headDrafter) stepped(b *llama.Batch, load stepLoad) {
	if !b.HeadLost {
		d.lost = 0
	} else if d.lost++; d.lost > mostLost {
		d.fail(errors.New("it could not read several steps in a row"))
	} else {
		d.e.cfg.Log.Warn("the draft head begins anew", "engine", d.e.cfg.Name, "head", string(d.head.Kind), "rows", len(b.Tokens))
	}
	if b.HeadMicros > 0 && d.on {
		took := time.Duration(b.HeadMicros) * time.Microsecond
		d.cost.learn(stepLoad{rows: load.rows, attended: load.attended}, took)
		d.book(1, load.rows, took)
		if !d.pays {
			d.trial.spend(took)
		}
	}
}

// fail ends the head's part: an engine without guesses answers the same.
func (d *headDrafter) fail(err error) {
	d.e.cfg.Log.Error("the draft head is not used any more", "engine", d.e.cfg.Name, "error", fmt.Sprint(err))
	d.follow(false)
	d.gone = true
}

func (d *headDrafter) leave(*task)      {} // its sequences are the context's
func (d *headDrafter) restart()         {}
func (d *headDrafter) context() Context { return nil }
func (d *headDrafter) close()           { d.save() }
