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
// stops reading until its trials have saved enough to look again.
type headDrafter struct {
	drafting
	ctx  headContext
	head llama.Head
	wish llama.Draft
	on   bool
	idle int  // decisions in a row that it does not pay
	gone bool // it failed
	lost int  // steps in a row that it could not read
}

func newHeadDrafter(e *Engine, parent *costModel) (*headDrafter, error) {
	ctx, ok := e.ctx.(headContext)
	if !ok {
		return nil, errors.New("the context takes no draft heads")
	}
	return &headDrafter{drafting: newDrafting(e, parent), ctx: ctx, head: e.cfg.Draft.Head, on: true}, nil
}

func (d *headDrafter) knows(*task) bool { return true } // the tokens are the same
func (d *headDrafter) behind(*task) int { return 1 }

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

func (d *headDrafter) awake() bool {
	if d.on || d.gone {
		return d.on
	}
	// Reading is paid out of what is put aside for trials.
	if d.trial.saved > min(followSteps*d.following(1, 0), mostAside*9/10) {
		d.follow(true)
	}
	return false // it has read nothing yet
}

func (d *headDrafter) used(pays bool) {
	if !d.on {
		return
	}
	if pays {
		d.idle = 0
		return
	}
	d.trial.spend(d.following(1, 0))
	if d.idle++; d.idle > followSteps {
		d.follow(false)
	}
}

func (d *headDrafter) follow(on bool) {
	d.on, d.idle = on, 0
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
