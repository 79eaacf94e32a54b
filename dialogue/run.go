package dialogue

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"repartee/inference"
	"repartee/inference/llama"
)

// Delta is what has come since the last one.
type Delta struct {
	Text      string
	Reasoning string
	ToolCalls []ToolDelta
	Tokens    []inference.TokenInfo // with log-probabilities only
}

func (d *Delta) empty() bool {
	return d.Text == "" && d.Reasoning == "" && len(d.ToolCalls) == 0 && len(d.Tokens) == 0
}

// ToolDelta is a piece of a tool call: ID and Name come with its first piece.
type ToolDelta struct {
	Index     int
	ID, Name  string
	Arguments string
}

// Result is a finished turn.
type Result struct {
	inference.Result
	Text      string
	Reasoning string
	ToolCalls []llama.ToolCall
}

// Run is a turn under way. One goroutine reads and closes it.
type Run struct {
	service    *Service
	engine     Engine
	model      string
	turn       Turn
	forget     int             // messages of the session's history that did not fit
	messages   []llama.Message // what was rendered
	rendered   llama.Rendered
	structured bool     // the text must be taken apart
	schema     string   // that binds the whole answer; empty = none, or the template's
	tools      *toolbox // in the template's place; nil = it knows tools itself
	stream     *inference.Stream
	prompt     []inference.Token // with Turn.Context only

	raw    strings.Builder // everything delivered
	parsed llama.ParsedOutput
	ahead  *Delta // read by Await, not yet by Next
	kept   bool
}

// Model is the name the turn is answered by.
func (r *Run) Model() string { return r.model }

// Engine is the model the turn is answered by.
func (r *Run) Engine() Engine { return r.engine }

// Close cancels the turn if it still runs; its session then keeps what was
// delivered. Idempotent.
func (r *Run) Close() {
	r.stream.Close()
	if r.raw.Len() > 0 {
		r.keep()
	}
}

// Discard cancels the turn and keeps nothing of it.
func (r *Run) Discard() {
	r.kept = true
	r.stream.Close()
}

// Await waits for the first piece, at most so long, and leaves it for Next: what
// fails before can still be answered with a status.
func (r *Run) Await(ctx context.Context, most time.Duration) error {
	wait, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	d, err := r.Next(wait)
	switch {
	case err == nil:
		r.ahead = &d
	case errors.Is(err, io.EOF), wait.Err() != nil && ctx.Err() == nil:
	default:
		return err
	}
	return nil
}

// Next waits for more; io.EOF after the end, when the conversation has been
// kept and Result is complete.
func (r *Run) Next(ctx context.Context) (Delta, error) {
	if d := r.ahead; d != nil {
		r.ahead = nil
		return *d, nil
	}
	for {
		c, err := r.stream.Next(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) && !r.kept {
				var d Delta
				if r.structured {
					d = r.parse(false) // what only the complete text shows
				}
				if r.raw.Len() == 0 && r.stream.Result().Finish == inference.FinishCancelled {
					return Delta{}, err // nothing was said
				}
				r.keep()
				if !d.empty() {
					return d, nil
				}
			}
			return Delta{}, err
		}
		r.raw.WriteString(c.Text)
		if !r.structured {
			return Delta{Text: c.Text, Tokens: c.Tokens}, nil
		}
		d := r.parse(true)
		d.Tokens = c.Tokens
		if !d.empty() {
			return d, nil
		}
	}
}

// parse takes the text so far apart and returns the difference to last time.
func (r *Run) parse(partial bool) Delta {
	var (
		out llama.ParsedOutput
		err error
	)
	if r.tools != nil {
		out = r.tools.parse(r.raw.String(), partial)
	} else {
		out, err = r.engine.ParseOutput(r.rendered, r.raw.String(), partial)
	}
	if err != nil {
		if partial {
			return Delta{} // more text may make sense of it
		}
		out = llama.ParsedOutput{Content: r.raw.String()}
	}
	var d Delta
	if rest, ok := strings.CutPrefix(out.Content, r.parsed.Content); ok {
		d.Text = rest
		r.parsed.Content = out.Content
	}
	if rest, ok := strings.CutPrefix(out.Reasoning, r.parsed.Reasoning); ok {
		d.Reasoning = rest
		r.parsed.Reasoning = out.Reasoning
	}
	for i, call := range out.ToolCalls {
		if i >= len(r.parsed.ToolCalls) {
			call.ID = "call_" + NewID()
			r.parsed.ToolCalls = append(r.parsed.ToolCalls, call)
			d.ToolCalls = append(d.ToolCalls, ToolDelta{Index: i, ID: call.ID, Name: call.Name, Arguments: call.Arguments})
			continue
		}
		known := &r.parsed.ToolCalls[i]
		if rest, ok := strings.CutPrefix(call.Arguments, known.Arguments); ok && rest != "" {
			known.Arguments = call.Arguments
			d.ToolCalls = append(d.ToolCalls, ToolDelta{Index: i, Arguments: rest})
		}
	}
	return d
}

// keep stores the turn in its session, once.
func (r *Run) keep() {
	if r.kept {
		return
	}
	r.kept = true
	t := &r.turn
	if t.Session == "" {
		return
	}
	text, _, calls := r.text()
	answer := llama.Message{Role: "assistant", Content: text, ToolCalls: calls}
	r.service.sessions.add(t.Namespace, t.Session, t.System, r.forget, append(slices.Clip(t.Messages), answer))
}

// Revise replaces what the session keeps of the answer, behind the end: of a
// spoken answer that was cut off, only what was heard.
func (r *Run) Revise(text string) {
	if r.kept && r.turn.Session != "" {
		r.service.sessions.revise(r.turn.Namespace, r.turn.Session, text)
	}
}

// Context returns the prompt and the answer as tokens, for a later turn's Before.
// Only a turn with Context set has one, and only behind its end.
func (r *Run) Context() ([]inference.Token, error) {
	answer, err := r.engine.Tokenize(r.raw.String(), false, true)
	return append(r.prompt, answer...), err
}

// text is what has been delivered.
func (r *Run) text() (text, reasoning string, calls []llama.ToolCall) {
	if r.structured {
		return r.parsed.Content, r.parsed.Reasoning, r.parsed.ToolCalls
	}
	return r.raw.String(), "", nil
}

// Result is complete once Next returned io.EOF.
func (r *Run) Result() Result {
	res := Result{Result: r.stream.Result()}
	res.Text, res.Reasoning, res.ToolCalls = r.text()
	return res
}

// Collect reads a run to its end. When ctx ends first, its error is returned
// and nothing is kept: nobody has got the answer.
func (r *Run) Collect(ctx context.Context) (Result, []inference.TokenInfo, error) {
	var tokens []inference.TokenInfo
	for {
		d, err := r.Next(ctx)
		tokens = append(tokens, d.Tokens...)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && ctx.Err() == nil:
			return r.Result(), tokens, nil
		case ctx.Err() != nil:
			r.Discard()
			return r.Result(), tokens, ctx.Err()
		default:
			r.Discard()
			return r.Result(), tokens, err
		}
	}
}
