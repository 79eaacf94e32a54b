package dialoguetest

import (
	"fmt"
	"sync"

	"repartee/inference"
	"repartee/inference/llama"
)

// Context keeps each sequence's tokens and answers from them.
type Context struct {
	model *Model

	// Gate, when set, lets one step happen for each value taken from it.
	Gate chan struct{}
	// Logprobs makes every step return log-probabilities.
	Logprobs bool

	mu      sync.Mutex
	seqs    map[llama.SeqID][]inference.Token
	answers map[string]string // by prompt
	steps   int
	fail    error
	quit    chan struct{}
	closed  bool
}

func newContext(m *Model) *Context {
	return &Context{model: m, seqs: map[llama.SeqID][]inference.Token{}, answers: map[string]string{}, quit: make(chan struct{})}
}

// Fail makes the following steps fail with err; nil heals.
func (c *Context) Fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail = err
}

// Steps is how many steps were made.
func (c *Context) Steps() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.steps
}

// Step takes the rows in and samples behind the groups.
func (c *Context) Step(b *llama.Batch) error {
	if c.Gate != nil {
		select {
		case <-c.Gate:
		case <-c.quit:
			return llama.ErrAborted
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.steps++
	if c.fail != nil {
		return c.fail
	}
	for i, t := range b.Tokens {
		s := c.seqs[b.Seq[i]]
		if len(s) != int(b.Pos[i]) {
			return fmt.Errorf("row %d is at position %d, its sequence holds %d tokens", i, b.Pos[i], len(s))
		}
		c.seqs[b.Seq[i]] = append(s, t)
	}
	b.Out = append(b.Out[:0], make([]inference.Token, len(b.Tokens))...)
	b.Logprobs = b.Logprobs[:0]
	for g := range b.Groups {
		group := &b.Groups[g]
		row := group.First
		b.Out[row] = c.next(c.seqs[b.Seq[row]][:b.Pos[row]+1])
		group.Accepted = 1
	}
	if c.Logprobs {
		for _, t := range b.Out {
			b.Logprobs = append(b.Logprobs, []llama.TokenLogprob{{Token: t, Logprob: -0.25}, {Token: t, Logprob: -0.25}, {Token: 'x', Logprob: -2}})
		}
	}
	return nil
}

// next is the token behind seq: of a conversation, what follows the last
// header is the answer so far; of a raw prompt, what was seen first is the
// prompt.
func (c *Context) next(seq []inference.Token) inference.Token {
	text := make([]byte, len(seq))
	for i, t := range seq {
		text[i] = byte(t)
	}
	prompt, so := c.split(string(text))
	answer, ok := c.answers[prompt]
	if !ok {
		answer = c.model.reply(prompt)
		c.answers[prompt] = answer
	}
	if so < len(answer) {
		return inference.Token(answer[so])
	}
	return 0
}

// split returns the prompt a text began with and how much of its answer the
// text holds already.
func (c *Context) split(text string) (prompt string, done int) {
	for i := len(text); i > 0; i-- {
		if answer, ok := c.answers[text[:i]]; ok && len(text)-i <= len(answer) && answer[:len(text)-i] == text[i:] {
			return text[:i], len(text) - i
		}
	}
	return text, 0
}

// SeqCopy makes dst hold src's tokens from p0 to p1.
func (c *Context) SeqCopy(src, dst llama.SeqID, p0, p1 llama.Pos) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, d := c.seqs[src], c.seqs[dst]
	if p1 < 0 || int(p1) > len(s) {
		p1 = llama.Pos(len(s))
	}
	if int(p0) > len(d) {
		return fmt.Errorf("sequence %d holds %d tokens, copied to from %d", dst, len(d), p0)
	}
	c.seqs[dst] = append(append([]inference.Token(nil), d[:p0]...), s[p0:p1]...)
	return nil
}

// SeqRemove drops seq's tokens from p0 on.
func (c *Context) SeqRemove(seq llama.SeqID, p0, p1 llama.Pos) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seqs[seq]
	if p0 < 0 {
		p0 = 0
	}
	if p1 >= 0 && int(p1) < len(s) {
		return fmt.Errorf("sequence %d: only tails can be removed", seq)
	}
	if int(p0) < len(s) {
		c.seqs[seq] = s[:p0:p0]
	}
	return nil
}

// Clear forgets all sequences.
func (c *Context) Clear() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seqs = map[llama.SeqID][]inference.Token{}
	return nil
}

// SetThreads does nothing.
func (c *Context) SetThreads(int, int) error { return nil }

// Abort ends a step that waits at the gate.
func (c *Context) Abort() { c.Close() }

// Close ends a step that waits at the gate.
func (c *Context) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		close(c.quit)
	}
}
