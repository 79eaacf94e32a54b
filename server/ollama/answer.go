package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/inference/llama"
	"repartee/server/web"
)

// answer writes one answer's lines: objects with the piece under "message" for a
// chat or under "response" for a completion.
type answer struct {
	kind   string
	model  string
	engine dialogue.Engine
	buf    []byte
}

// serve runs a turn and answers, line by line or at once.
func (d *Dialect) serve(r *web.Request, a *answer, t dialogue.Turn, streamed bool) {
	ctx, cancel := r.Context()
	run, err := d.Dialogue.Start(ctx, t)
	fail := func(err error) {
		if run != nil {
			run.Discard()
		}
		err = web.Ended(ctx, err)
		cancel(nil)
		r.Fail(err)
	}
	if err != nil {
		fail(err)
		return
	}
	if !streamed {
		res, _, err := run.Collect(ctx)
		if err != nil {
			fail(err)
			return
		}
		r.Timing(web.Marks(res.Timings)...)
		r.JSON(a.final(run, res, res))
		cancel(nil)
		return
	}
	if err := run.Await(ctx, web.AwaitFirst); err != nil {
		fail(err)
		return
	}
	r.Timing(web.Mark{Name: "first", D: time.Since(r.Began)})
	r.Stream(ctx, cancel, "application/x-ndjson", nil, func(w *web.StreamWriter) { a.stream(ctx, r, w, run) }, run.Close)
}

// stream sends a line a piece and the final one.
func (a *answer) stream(ctx context.Context, r *web.Request, w *web.StreamWriter, run *dialogue.Run) {
	var calls []dialogue.ToolDelta
	for {
		d, err := run.Next(ctx)
		if err != nil {
			if err = web.Ended(ctx, err); !errors.Is(err, io.EOF) {
				_ = w.Send(append(r.AppendError(a.buf[:0], web.From(err)), '\n')) // the end either way
				return
			}
			break
		}
		calls = append(calls, d.ToolCalls...)
		if d.Text == "" && d.Reasoning == "" {
			continue
		}
		b := a.piece(a.head(a.buf[:0]), d.Text, d.Reasoning, nil)
		a.buf = append(b, `,"done":false}`+"\n"...)
		if w.Send(a.buf) != nil {
			return
		}
	}
	res := run.Result()
	if len(calls) > 0 { // whole calls, as Ollama's clients expect them
		a.buf = append(a.piece(a.head(a.buf[:0]), "", "", res.ToolCalls), `,"done":false}`+"\n"...)
		if w.Send(a.buf) != nil {
			return
		}
	}
	_ = w.Send(append(a.final(run, dialogue.Result{}, res), '\n')) // the end either way
}

func (a *answer) head(b []byte) []byte {
	b = web.AppendString(append(b, `{"model":`...), a.model)
	b = append(b, `,"created_at":"`...)
	return append(time.Now().UTC().AppendFormat(b, time.RFC3339Nano), '"')
}

// piece writes the text under the name of its kind.
func (a *answer) piece(b []byte, text, thinking string, calls []llama.ToolCall) []byte {
	if a.kind == "response" {
		b = web.AppendString(append(b, `,"response":`...), text)
	} else {
		b = web.AppendString(append(b, `,"message":{"role":"assistant","content":`...), text)
	}
	if thinking != "" {
		b = web.AppendString(append(b, `,"thinking":`...), thinking)
	}
	if a.kind == "response" {
		return b
	}
	if len(calls) > 0 {
		b = append(b, `,"tool_calls":[`...)
		for i, c := range calls {
			if i > 0 {
				b = append(b, ',')
			}
			b = web.AppendString(append(b, `{"id":`...), c.ID)
			b = web.AppendString(append(b, `,"function":{"name":`...), c.Name)
			b = append(b, `,"arguments":`...)
			if json.Valid([]byte(c.Arguments)) && c.Arguments != "" {
				b = append(b, c.Arguments...)
			} else { // cut off by the length
				b = append(b, "{}"...)
			}
			b = append(b, "}}"...)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

// final writes the last object: said is what it still has to say, res the whole.
func (a *answer) final(run *dialogue.Run, said, res dialogue.Result) []byte {
	b := a.piece(a.head(a.buf[:0]), said.Text, said.Reasoning, said.ToolCalls)
	b = append(b, `,"done":true,"done_reason":`...)
	reason := "stop"
	if res.Finish == inference.FinishLength {
		reason = "length"
	}
	b = web.AppendString(b, reason)
	if a.kind == "response" {
		if tokens, err := run.Context(); err == nil && len(tokens) > res.CompletionTokens {
			b = append(b, `,"context":[`...)
			for i, t := range tokens {
				if i > 0 {
					b = append(b, ',')
				}
				b = strconv.AppendInt(b, int64(t), 10)
			}
			b = append(b, ']')
		}
	}
	ns := func(name string, v int64) {
		b = append(append(append(b, `,"`...), name...), `":`...)
		b = strconv.AppendInt(b, v, 10)
	}
	t := res.Timings
	ns("total_duration", int64(t.Total))
	ns("load_duration", int64(t.Queue)) // the model is resident: what there is to wait for is the queue
	ns("prompt_eval_count", int64(res.PromptTokens))
	ns("prompt_eval_duration", int64(t.Prefill))
	ns("eval_count", int64(res.CompletionTokens))
	ns("eval_duration", int64(max(t.Total-t.FirstToken, 0)))
	if res.ShiftedTokens > 0 {
		ns("context_shifted", int64(res.ShiftedTokens))
	}
	a.buf = append(b, '}')
	return a.buf
}

// loaded answers a request that only wants the model in memory, where it is.
func (a *answer) loaded(r *web.Request, unload bool) {
	reason := "load"
	if unload {
		reason = "unload" // accepted; the model stays
	}
	b := a.piece(a.head(nil), "", "", nil)
	b = web.AppendString(append(b, `,"done":true,"done_reason":`...), reason)
	r.JSON(append(b, '}'))
}
