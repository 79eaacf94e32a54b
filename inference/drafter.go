package inference

import (
	"time"

	"repartee/inference/llama"
)

// drafter guesses the next tokens of several sequences at once, on the scheduler's
// goroutine: a draft model or a draft head.
type drafter interface {
	books() *drafting
	// begins tells of a task that has its sequence and is read from now on.
	begins(t *task)
	// knows tells whether it can read, or has read, all of a task's tokens.
	knows(t *task) bool
	// behind is how many tokens of a task it has yet to read before it guesses, the
	// newest included.
	behind(t *task) int
	// draft guesses for tasks, at most most tokens each, and as long as stay says that
	// a task's next guess is worth its row, where that can be asked. What it guessed is
	// in each task's draft, with follow.probs.
	draft(tasks []*task, most int, stay func(t *task) bool)
	// rounds is the time of k guesses each for tasks that are behind by so many tokens
	// in all and hold so many cells.
	rounds(k, tasks, behind, held int) time.Duration
	// following is the time that a step of so many rows costs more because it is read.
	following(rows, held int) time.Duration
	// most is how many tokens a draft can have.
	most() int
	// depth is how deep to draft where rounds is what pays.
	depth(rounds int) int
	// awake tells whether it can guess in this step; used says whether it was worth it.
	awake() bool
	used(pays bool)
	// stepped tells of a step of the engine.
	stepped(b *llama.Batch, load stepLoad)
	// leave ends a task's part, restart empties the memory.
	leave(t *task)
	restart()
	context() Context // of its own, nil = none
	close()
}

// drafting is what all drafters keep.
type drafting struct {
	e     *Engine
	cost  *costModel
	width int // most sequences that draft at once
	trial draftTrial
	stats DraftModelStats
}

// DraftModelStats counts what a draft model or a draft head did.
type DraftModelStats struct {
	Steps, Rows int64
	Time        time.Duration
}

func newDrafting(e *Engine, parent *costModel) drafting {
	c := e.cfg.Draft
	prices := c.Prices
	if prices <= 0 {
		prices = 0.25
	}
	d := drafting{e: e, cost: parent.scaled(prices), width: e.cfg.Parallel}
	d.cost.load(c.Cost)
	return d
}

func (d *drafting) books() *drafting { return d }

// book counts steps of so many rows in all.
func (d *drafting) book(steps, rows int, took time.Duration) {
	d.stats.Steps += int64(steps)
	d.stats.Rows += int64(rows)
	d.stats.Time += took
}

// save keeps what its steps cost.
func (d *drafting) save() {
	if err := d.cost.save(d.e.cfg.Draft.Cost); err != nil {
		d.e.cfg.Log.Warn("keeping the draft model's step costs", "engine", d.e.cfg.Name, "error", err)
	}
}

// newDrafter makes what the configuration's draft asks for.
func newDrafter(e *Engine, parent *costModel) (drafter, error) {
	if e.cfg.Draft.Head.Kind != "" {
		return newHeadDrafter(e, parent)
	}
	return newModelDrafter(e, parent)
}
