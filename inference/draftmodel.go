package inference

import (
	"errors"
	"math"
	"time"

	"repartee/inference/llama"
	"repartee/kvcache"
)

// DraftModel is what guesses for an engine: a second, smaller model, see
// llama.SameVocabulary for what it must have in common with the first, whose
// context holds as many cells, sequences and rows as the engine's; or a draft head
// on the engine's own context, which has no Context, and no Model where the engine's
// model carries it.
type DraftModel struct {
	Model   Model
	Context Context
	Head    llama.Head // Kind empty = a model
	Prices  float64    // what a row costs beside the engine's model, to begin with; 0 = a quarter
	Cost    string     // file of what its steps cost, as Config.CostFile
	Owned   interface{ Close() }
}

// modelDrafter runs the draft model: one step of it drafts a token for every
// sequence that takes part. Its cells are a tree like the engine's own, so prompts
// share their beginnings there too.
type modelDrafter struct {
	drafting
	model    Model
	ctx      Context
	tree     *kvcache.Tree
	batch    llama.Batch
	cells    []int32
	load     stepLoad
	samplers []*llama.Sampler // greedy, one for each sequence of a step
	vocab    Token            // tokens that both models have
}

// follower is a task's sequence in the draft model.
type follower struct {
	seq   kvcache.Seq
	open  bool
	valid int       // tokens of the sequence that are the task's
	probs []float32 // of the drafted tokens
}

// unsure stands for the probability of a token from a context without samplers.
const unsure = 0.7

func newModelDrafter(e *Engine, parent *costModel) (*modelDrafter, error) {
	c := e.cfg.Draft
	d := &modelDrafter{drafting: newDrafting(e, parent), model: c.Model, ctx: c.Context, vocab: Token(min(e.info.VocabSize, c.Model.Info().VocabSize))}
	d.tree = d.newTree()
	for range e.cfg.Parallel {
		s, err := d.model.NewSampler(llama.SamplingParams{TopP: 1} /* greedy, with its log-probability */)
		if err != nil {
			for _, s := range d.samplers {
				s.Close()
			}
			return nil, err
		}
		d.samplers = append(d.samplers, s)
	}
	return d, nil
}

func (d *modelDrafter) newTree() *kvcache.Tree {
	return kvcache.New(d.ctx, kvcache.Config{Cells: d.e.cfg.Cells, Sequences: d.e.cfg.Sequences})
}

// close frees the samplers and keeps what its steps cost.
func (d *modelDrafter) close() {
	for _, s := range d.samplers {
		if s != nil {
			s.Close()
		}
	}
	d.save()
}

// knows tells whether the draft model can read all of a task's tokens.
func (d *modelDrafter) knows(t *task) bool {
	for ; t.known < len(t.tokens); t.known++ {
		if t.tokens[t.known] >= d.vocab {
			return false
		}
	}
	return true
}

// behind is how many tokens of a task the draft model has yet to read, the newest
// included.
func (d *modelDrafter) behind(t *task) int {
	if !t.follow.open {
		return len(t.tokens) - d.tree.Match(t.space, t.tokens)
	}
	return len(t.tokens) - min(t.follow.valid, d.tree.Len(t.follow.seq))
}

// open brings a task's sequence to where it agrees with the task's tokens.
func (d *modelDrafter) open(t *task) error {
	f := &t.follow
	if !f.open {
		seq, held, err := d.tree.Open(t.space, t.tokens, len(t.tokens)-1)
		if err != nil {
			return err
		}
		f.seq, f.open, f.valid = seq, true, held
		return nil
	}
	if held := min(f.valid, len(t.tokens)-1); d.tree.Len(f.seq) > held {
		f.valid = held
		return d.tree.Truncate(f.seq, held)
	}
	return nil
}

// leave ends a task's sequence; what it read stays for others.
func (d *modelDrafter) leave(t *task) {
	f := &t.follow
	if !f.open {
		return
	}
	f.open = false
	var err error
	if d.tree.Len(f.seq) > f.valid {
		err = d.tree.Truncate(f.seq, f.valid)
	}
	if err = errors.Join(err, d.tree.Close(f.seq, true)); err != nil {
		d.fail(err)
	}
}

// fail begins anew with an empty memory.
func (d *modelDrafter) fail(err error) {
	if !errors.Is(err, llama.ErrAborted) {
		d.e.cfg.Log.Error("draft model", "engine", d.e.cfg.Name, "error", err)
	}
	d.restart()
}

// restart empties the memory; no task has a sequence any more.
func (d *modelDrafter) restart() {
	for _, t := range d.e.sched.active {
		t.follow = follower{probs: t.follow.probs[:0]}
		t.draft = t.draft[:0]
	}
	if err := d.ctx.Clear(); err != nil && !errors.Is(err, llama.ErrAborted) {
		d.e.cfg.Log.Error("clearing the draft model's memory", "engine", d.e.cfg.Name, "error", err)
	}
	d.tree = d.newTree()
}

// add puts k tokens of a task into the draft model's batch, and asks for what
// follows them if they are its last.
func (d *modelDrafter) add(t *task, tokens []Token) error {
	cells, err := d.tree.Extend(t.follow.seq, tokens, d.cells[:0])
	d.cells = cells[:0]
	if err != nil {
		return err
	}
	at := d.tree.Len(t.follow.seq) - len(tokens)
	for i, tok := range tokens {
		d.batch.Add(tok, llama.Pos(at+i), t.follow.seq)
	}
	d.batch.Cells = append(d.batch.Cells, cells...)
	d.load = d.load.with(len(tokens), at)
	return nil
}

// ask wants the token behind the batch's last row.
func (d *modelDrafter) ask() {
	n := len(d.batch.Groups)
	d.batch.Groups = append(d.batch.Groups, llama.Group{Sampler: d.samplers[n], First: len(d.batch.Tokens) - 1, Rows: 1})
	d.load.outputs++
}

// draft lets the draft model guess for tasks, at most most tokens each, and as
// long as stay says that a task's next guess is worth its row. What it guessed is
// in each task's draft, with follow.probs.
func (d *modelDrafter) draft(tasks []*task, most int, stay func(t *task) bool) {
	tasks = d.read(tasks)
	for round := 1; len(tasks) > 0; round++ {
		if !d.step() {
			return
		}
		n := 0
		for i, t := range tasks {
			tok, p := d.guess(i)
			if tok >= d.vocab {
				continue
			}
			t.draft, t.follow.probs = append(t.draft, tok), append(t.follow.probs, p)
			if round < min(most, t.room) && !d.model.IsEOG(tok) && stay(t) {
				tasks[n] = t
				n++
			}
		}
		tasks = tasks[:n]
		d.begin()
		for i := 0; i < len(tasks); i++ {
			t := tasks[i]
			if err := d.add(t, t.draft[len(t.draft)-1:]); err != nil {
				tasks = append(tasks[:i], tasks[i+1:]...)
				i--
				continue
			}
			d.ask()
		}
	}
}

// read is the first step: what the tasks have got since. Of a long prompt it reads
// as much as a step may take, and the task has no guesses yet. It returns the
// tasks whose next token the step gives.
func (d *modelDrafter) read(tasks []*task) []*task {
	d.begin()
	for _, t := range tasks { // all before the first grows: none may take over what is not computed yet
		if err := d.open(t); err != nil && !errors.Is(err, kvcache.ErrNoSequence) {
			d.fail(err)
			return nil
		}
	}
	n := 0
	for _, t := range tasks {
		if !t.follow.open {
			continue
		}
		held := d.tree.Len(t.follow.seq)
		want := len(t.tokens) - held
		k := d.cost.chunk(d.load, held, d.e.cfg.StepBudget, min(2*minChunk, want), min(want, d.e.cfg.BatchRows-len(d.batch.Tokens)))
		if k <= 0 {
			continue
		}
		if err := d.add(t, t.tokens[held:held+k]); err != nil {
			if !errors.Is(err, kvcache.ErrFull) {
				d.fail(err)
				return nil
			}
			continue
		}
		t.follow.valid = held + k
		if k == want {
			d.ask()
			tasks[n] = t
			n++
		}
	}
	if n == 0 && len(d.batch.Tokens) == 0 {
		for _, t := range tasks { // no cells for any of them: another time
			d.leave(t)
		}
	}
	if n == 0 && len(d.batch.Tokens) > 0 {
		d.step()
	}
	return tasks[:n]
}

func (d *modelDrafter) begin() {
	d.batch.Reset()
	d.load = stepLoad{}
}

// step computes the batch; false when it failed.
func (d *modelDrafter) step() bool {
	began := time.Now()
	err := d.ctx.Step(&d.batch)
	for i := 0; err == nil && i < len(d.batch.Groups); i++ {
		err = d.batch.Groups[i].Err
	}
	if err != nil {
		d.fail(err)
		return false
	}
	took := time.Since(began)
	d.cost.learn(d.load, took)
	d.book(1, len(d.batch.Tokens), took)
	return true
}

// guess is the token that the step gave for the i-th task, and its probability.
func (d *modelDrafter) guess(i int) (Token, float32) {
	row := d.batch.Groups[i].First
	p := float32(unsure)
	if row < len(d.batch.Logprobs) && len(d.batch.Logprobs[row]) > 0 {
		p = float32(math.Exp(float64(d.batch.Logprobs[row][0].Logprob)))
	}
	return d.batch.Out[row], p
}

func (d *modelDrafter) rounds(k, tasks, behind, held int) time.Duration {
	if k == 0 {
		return 0
	}
	first := d.cost.predict(stepLoad{rows: behind, cells: held, attended: held * max(behind/max(tasks, 1), 1), outputs: tasks})
	return first + time.Duration(k-1)*d.cost.predict(decoding(tasks, held))
}

// depth: each sequence goes on as long as its own tokens promise.
func (d *modelDrafter) depth(int) int { return maxRounds }

func (d *modelDrafter) most() int { return maxRounds }

func (d *modelDrafter) context() Context                 { return d.ctx }
func (d *modelDrafter) begins(*task)                     {}
func (d *modelDrafter) awake() bool                      { return true }
func (d *modelDrafter) used(bool)                        {}
func (d *modelDrafter) following(int, int) time.Duration { return 0 } // it reads when it drafts
func (d *modelDrafter) stepped(*llama.Batch, stepLoad)   {}

// closeDraft frees the draft model, used or not.
func (e *Engine) closeDraft() {
	if d := e.sched.guess.model; d != nil {
		d.close()
	}
	e.cfg.Draft.close()
}

// close frees a draft model that no engine uses (any more); m may be nil.
func (m *DraftModel) close() {
	if m == nil {
		return
	}
	if m.Context != nil {
		m.Context.Close()
	}
	if m.Owned != nil {
		m.Owned.Close()
	}
}
