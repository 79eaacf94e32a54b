package native

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
	"repartee/server/openai"
	"repartee/server/web"
)

// chatBody is the wire type of POST /chat and of the WebSocket's chat message.
type chatBody struct {
	Message     string           `json:"message"`
	Messages    []openai.Message `json:"messages"`
	Session     string           `json:"session"`
	System      string           `json:"system"`
	Model       string           `json:"model"`
	Mode        string           `json:"mode"`
	Stream      bool             `json:"stream"`
	MaxTokens   *int             `json:"max_tokens"`
	Temperature *float64         `json:"temperature"`
	TopP        *float64         `json:"top_p"`
	TopK        *int             `json:"top_k"`
	MinP        *float64         `json:"min_p"`
	Seed        *int64           `json:"seed"`
	Stop        openai.Strings   `json:"stop"`
	Priority    string           `json:"priority"`
	Timeout     *float64         `json:"timeout"` // seconds to the first token
	Speculate   string           `json:"speculate"`
	DraftMax    *int             `json:"draft_max"`
	Prediction  string           `json:"prediction"` // what the answer will probably be
	IgnoreEOS   bool             `json:"ignore_eos"`
	CacheSalt   string           `json:"cache_salt"` // prefixes and answers are shared only with the same
	// What becomes of a conversation that outgrows the context.
	ContextShift *bool `json:"context_shift"`
	ContextKeep  *int  `json:"context_keep"`
}

// maxSession is the longest session id a client may choose.
const maxSession = 128

// turn validates the body.
func (b *chatBody) turn(r *web.Request) (dialogue.Turn, error) {
	t := dialogue.Turn{
		Model: b.Model, Mode: b.Mode, Session: b.Session, System: b.System, Stop: b.Stop,
		Namespace: r.Namespace, Weight: r.Weight, RequestID: r.ID, Prediction: b.Prediction, IgnoreEOG: b.IgnoreEOS,
		Sampling: dialogue.Sampling{Temperature: b.Temperature, TopP: b.TopP, TopK: b.TopK, MinP: b.MinP, Seed: b.Seed, Logprobs: -1},
	}
	switch {
	case b.Message == "" && len(b.Messages) == 0:
		return t, web.Bad("message", `message: want a text, or "messages" in its place`)
	case b.Message != "" && len(b.Messages) > 0:
		return t, web.Bad("message", "message: give either message or messages, not both")
	case len(b.Session) > maxSession:
		return t, web.Bad("session", "session: want at most %d bytes", maxSession)
	}
	switch b.Priority {
	case "", "interactive":
	case "batch":
		t.Priority = inference.Batch
	default:
		return t, web.Bad("priority", `priority: want "interactive" or "batch"`)
	}
	if b.MaxTokens != nil {
		if *b.MaxTokens < 0 {
			return t, web.Bad("max_tokens", "max_tokens: want 0 (the default) or more")
		}
		t.MaxTokens = *b.MaxTokens
	}
	if b.Timeout != nil {
		if *b.Timeout <= 0 || *b.Timeout > 3600 {
			return t, web.Bad("timeout", "timeout: want more than 0 and at most 3600 seconds")
		}
		t.Timeout = time.Duration(*b.Timeout * float64(time.Second))
	}
	if err := openai.CheckSampling(t.Sampling); err != nil {
		return t, err
	}
	if err := openai.CheckStop(b.Stop); err != nil {
		return t, err
	}
	if err := openai.Speculation(&t, b.Speculate, b.DraftMax); err != nil {
		return t, err
	}
	if err := openai.CacheSalt(&t, b.CacheSalt); err != nil {
		return t, err
	}
	if err := openai.ContextShift(&t, b.ContextShift, b.ContextKeep); err != nil {
		return t, err
	}
	if t.Session == "" {
		t.Session = dialogue.NewID()
	}
	if b.Message != "" {
		t.Messages = []llama.Message{{Role: "user", Content: b.Message}}
		return t, nil
	}
	var err error
	t.Messages, err = openai.Messages(b.Messages)
	return t, err
}

// Chat answers POST /chat.
func (d *Dialect) Chat(r *web.Request) {
	var body chatBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	turn, err := body.turn(r)
	if err != nil {
		r.Fail(err)
		return
	}
	ctx, cancel := r.Context()
	run, err := d.Dialogue.Start(ctx, turn)
	if err != nil {
		cancel(nil)
		r.Fail(err)
		return
	}
	if body.Stream {
		d.stream(ctx, cancel, r, run, turn.Session)
		return
	}
	defer cancel(nil)
	res, _, err := run.Collect(ctx)
	if err != nil {
		r.Fail(web.Ended(ctx, err))
		return
	}
	r.Timing(web.Marks(res.Timings)...)
	b := make([]byte, 0, 512+len(res.Text)+len(res.Text)/8)
	r.JSON(append(appendResult(append(b, '{'), run, turn.Session, res, true), '}'))
}

// stream answers with server-sent events.
func (d *Dialect) stream(ctx context.Context, cancel context.CancelCauseFunc, r *web.Request, run *dialogue.Run, session string) {
	if err := run.Await(ctx, web.AwaitFirst); err != nil {
		run.Discard()
		err = web.Ended(ctx, err)
		cancel(nil)
		r.Fail(err)
		return
	}
	r.Timing(web.Mark{Name: "first", D: time.Since(r.Began)})
	r.Stream(ctx, cancel, "text/event-stream; charset=utf-8", nil, func(w *web.StreamWriter) {
		var line []byte
		for {
			delta, err := run.Next(ctx)
			if err != nil {
				if err = web.Ended(ctx, err); !errors.Is(err, io.EOF) {
					_ = w.Event(web.From(err).AppendJSON(line[:0])) // the end either way
					return
				}
				line = append(appendResult(append(line[:0], `{"done":true,`...), run, session, run.Result(), true), '}')
				if w.Event(line) == nil {
					_ = w.Event([]byte("[DONE]")) // the end either way
				}
				return
			}
			if delta.Text == "" {
				continue
			}
			line = append(web.AppendString(append(line[:0], `{"delta":`...), delta.Text), '}')
			if w.Event(line) != nil {
				return
			}
		}
	}, run.Close)
}

// appendResult writes the fields of a finished turn, without braces.
func appendResult(b []byte, run *dialogue.Run, session string, res dialogue.Result, reply bool) []byte {
	if reply {
		b = web.AppendString(append(b, `"reply":`...), res.Text)
		b = web.AppendString(append(b, `,"session":`...), session)
		b = append(b, ',')
	}
	b = web.AppendString(append(b, `"model":`...), run.Model())
	b = web.AppendString(append(b, `,"finish_reason":`...), string(res.Finish))
	return appendUsage(append(b, ','), res)
}

// appendUsage writes usage and timings.
func appendUsage(b []byte, res dialogue.Result) []byte {
	b = strconv.AppendInt(append(b, `"usage":{"prompt_tokens":`...), int64(res.PromptTokens), 10)
	b = strconv.AppendInt(append(b, `,"cached_tokens":`...), int64(res.CachedTokens), 10)
	b = strconv.AppendInt(append(b, `,"completion_tokens":`...), int64(res.CompletionTokens), 10)
	b = openai.AppendShifted(b, res)
	t := res.Timings
	ms := func(b []byte, name string, d time.Duration) []byte {
		return strconv.AppendFloat(append(append(append(b, '"'), name...), `":`...), float64(d.Microseconds())/1000, 'f', 2, 64)
	}
	b = ms(append(b, `},"timings":{`...), "queue_ms", t.Queue)
	b = ms(append(b, ','), "prefill_ms", t.Prefill)
	b = ms(append(b, ','), "first_token_ms", t.FirstToken)
	b = ms(append(b, ','), "total_ms", t.Total)
	rate := 0.0
	if d := (t.Total - t.FirstToken).Seconds(); d > 0 && res.CompletionTokens > 1 {
		rate = float64(res.CompletionTokens-1) / d
	}
	b = strconv.AppendFloat(append(b, `,"tokens_per_second":`...), rate, 'f', 1, 64)
	b = strconv.AppendInt(append(b, `,"drafted":`...), int64(t.Drafted), 10)
	b = strconv.AppendInt(append(b, `,"accepted":`...), int64(t.Accepted), 10)
	return append(b, '}')
}

// Session answers GET and DELETE /chat/{session}.
func (d *Dialect) Session(r *web.Request, id string) {
	if string(r.HTTP.Method()) == "DELETE" {
		if err := d.Dialogue.Forget(r.Namespace, id); err != nil {
			r.Fail(err)
			return
		}
		r.HTTP.SetStatusCode(204)
		return
	}
	history, err := d.Dialogue.History(r.Namespace, id)
	if err != nil {
		r.Fail(err)
		return
	}
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	out := struct {
		Session  string    `json:"session"`
		Messages []message `json:"messages"`
	}{id, []message{}}
	for _, m := range history {
		out.Messages = append(out.Messages, message{m.Role, m.Content})
	}
	body, err := json.Marshal(out)
	if err != nil {
		r.Fail(err)
		return
	}
	r.JSON(body)
}
