package dialogue

import (
	"context"
	"errors"
	"io"
	"strings"

	"repartee/inference"
	"repartee/inference/llama"
)

// Delta is what has come since the last one.
type Delta struct {
	Text      string
	ToolCalls []ToolDelta
	Tokens    []inference.TokenInfo // with log-probabilities only
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

// Run is a turn under way. One goroutine reads it.
type Run struct {
	service  *Service
	engine   Engine
	model    string
	turn     Turn
	history  []llama.Message
	rendered llama.Rendered
	stream   *inference.Stream

	raw    strings.Builder // everything generated
	parsed llama.ParsedOutput
	ids    []string
	ended  bool
}

// Model is the name the turn is answered by.
func (r *Run) Model() string { return r.model }

// Engine is the model the turn is answered by.
func (r *Run) Engine() Engine { return r.engine }

// Close cancels the turn if it still runs.
func (r *Run) Close() { r.stream.Close() }

// structured tells whether the text must be taken apart for tool calls.
func (r *Run) structured() bool { return len(r.turn.Tools) > 0 && r.rendered.Parser != "" }

// Next waits for more; io.EOF after the end, when the conversation has been
// kept and Result is complete.
func (r *Run) Next(ctx context.Context) (Delta, error) {
	for {
		c, err := r.stream.Next(ctx)
		if err != nil {
			if errors.Is(err, io.EOF) && !r.ended {
				r.ended = true
				d := r.last()
				r.keep()
				if d.Text != "" || len(d.ToolCalls) > 0 {
					return d, nil
				}
			}
			return Delta{}, err
		}
		r.raw.WriteString(c.Text)
		if !r.structured() {
			return Delta{Text: c.Text, Tokens: c.Tokens}, nil
		}
		d := r.parse(true)
		d.Tokens = c.Tokens
		if d.Text != "" || len(d.ToolCalls) > 0 || len(d.Tokens) > 0 {
			return d, nil
		}
	}
}

// last is what only the complete text shows.
func (r *Run) last() Delta {
	if !r.structured() {
		return Delta{}
	}
	return r.parse(false)
}

// parse takes the text so far apart and returns the difference to last time.
func (r *Run) parse(partial bool) Delta {
	out, err := r.engine.ParseOutput(r.rendered, r.raw.String(), partial)
	if err != nil {
		if partial {
			return Delta{} // more text may make sense of it
		}
		out = llama.ParsedOutput{Content: r.raw.String()}
	}
	var d Delta
	if rest, ok := strings.CutPrefix(out.Content, r.parsed.Content); ok {
		d.Text = rest
	}
	for i, call := range out.ToolCalls {
		if i >= len(r.ids) {
			r.ids = append(r.ids, "call_"+NewID())
			d.ToolCalls = append(d.ToolCalls, ToolDelta{Index: i, ID: r.ids[i], Name: call.Name, Arguments: call.Arguments})
			continue
		}
		if i < len(r.parsed.ToolCalls) {
			if rest, ok := strings.CutPrefix(call.Arguments, r.parsed.ToolCalls[i].Arguments); ok && rest != "" {
				d.ToolCalls = append(d.ToolCalls, ToolDelta{Index: i, Arguments: rest})
			}
		}
	}
	if len(out.ToolCalls) >= len(r.parsed.ToolCalls) && len(out.Content) >= len(r.parsed.Content) {
		r.parsed = out
	}
	return d
}

// keep stores the turn in its session; of a cancelled answer, what was
// delivered.
func (r *Run) keep() {
	if r.turn.Session == "" {
		return
	}
	res := r.Result()
	answer := llama.Message{Role: "assistant", Content: res.Text, ToolCalls: res.ToolCalls}
	r.service.sessions.put(r.turn.Namespace, r.turn.Session, append(r.history, answer))
}

// Result is complete once Next returned io.EOF.
func (r *Run) Result() Result {
	res := Result{Result: r.stream.Result(), Text: r.raw.String()}
	if r.structured() {
		res.Text, res.Reasoning, res.ToolCalls = r.parsed.Content, r.parsed.Reasoning, r.parsed.ToolCalls
		for i := range res.ToolCalls {
			if i < len(r.ids) {
				res.ToolCalls[i].ID = r.ids[i]
			}
		}
	}
	return res
}

// Collect reads a run to its end.
func (r *Run) Collect(ctx context.Context) (Result, []inference.TokenInfo, error) {
	var tokens []inference.TokenInfo
	for {
		d, err := r.Next(ctx)
		tokens = append(tokens, d.Tokens...)
		if errors.Is(err, io.EOF) {
			return r.Result(), tokens, nil
		}
		if err != nil {
			return r.Result(), tokens, err
		}
	}
}
