package openai

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/server/web"
)

// Dialect serves the OpenAI routes over the rooms behind.
type Dialect struct {
	Dialogue *dialogue.Service
	Created  time.Time
}

// vocab returns the vocabulary size of the model that a name means.
func (d *Dialect) vocab(name string) (int, error) {
	e, _, err := d.Dialogue.Engine(name, "")
	if err != nil {
		return 0, err
	}
	return e.Info().VocabSize, nil
}

// Chat answers POST /v1/chat/completions.
func (d *Dialect) Chat(r *web.Request) {
	var body chatBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	turn, n, err := body.turn(r, d.vocab)
	if err != nil {
		r.Fail(err)
		return
	}
	ctx, cancel := r.Context()
	runs, err := d.start(ctx, turn, n)
	if err != nil {
		cancel()
		r.Fail(err)
		return
	}
	c := &completion{id: "chatcmpl-" + dialogue.NewID(), model: runs[0].Model(), created: time.Now().Unix(), object: "chat.completion"}
	if !body.Stream {
		defer cancel()
		c.answer(ctx, r, runs)
		return
	}
	usage := body.StreamOptions != nil && body.StreamOptions.IncludeUsage
	r.Timing("queue", time.Duration(0))
	r.Stream("text/event-stream; charset=utf-8", nil, func(w *web.StreamWriter) {
		c.object = "chat.completion.chunk"
		c.stream(ctx, w, runs, usage)
	}, func() {
		for _, run := range runs {
			run.Close()
		}
		cancel()
	})
}

// start submits a turn n times; a fixed seed is varied by the choice.
func (d *Dialect) start(ctx context.Context, turn dialogue.Turn, n int) ([]*dialogue.Run, error) {
	var runs []*dialogue.Run
	for i := range n {
		t := turn
		if t.Sampling.Seed != nil {
			seed := *t.Sampling.Seed + int64(i)
			t.Sampling.Seed = &seed
		}
		run, err := d.Dialogue.Start(ctx, t)
		if err != nil {
			for _, r := range runs {
				r.Close()
			}
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// completion is one answer's envelope.
type completion struct {
	id, model, object string
	created           int64
	buf               []byte
	usage             dialogue.Result // sums over the choices
}

func (c *completion) head(b []byte) []byte {
	b = web.AppendString(append(b, `{"id":`...), c.id)
	b = web.AppendString(append(b, `,"object":`...), c.object)
	b = strconv.AppendInt(append(b, `,"created":`...), c.created, 10)
	return web.AppendString(append(b, `,"model":`...), c.model)
}

// answer reads all choices and answers at once.
func (c *completion) answer(ctx context.Context, r *web.Request, runs []*dialogue.Run) {
	b := append(c.head(nil), `,"choices":[`...)
	for i, run := range runs {
		res, tokens, err := run.Collect(ctx)
		if err != nil {
			for _, rest := range runs {
				rest.Close()
			}
			r.Fail(err)
			return
		}
		c.add(i, res)
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"index":`...), int64(i), 10)
		b = append(b, `,"message":{"role":"assistant","content":`...)
		if res.Text == "" && len(res.ToolCalls) > 0 {
			b = append(b, "null"...)
		} else {
			b = web.AppendString(b, res.Text)
		}
		if res.Reasoning != "" {
			b = web.AppendString(append(b, `,"reasoning_content":`...), res.Reasoning)
		}
		b = append(b, `,"refusal":null`...)
		if len(res.ToolCalls) > 0 {
			b = append(b, `,"tool_calls":[`...)
			for k, call := range res.ToolCalls {
				if k > 0 {
					b = append(b, ',')
				}
				b = web.AppendString(append(b, `{"id":`...), call.ID)
				b = web.AppendString(append(b, `,"type":"function","function":{"name":`...), call.Name)
				b = web.AppendString(append(b, `,"arguments":`...), call.Arguments)
				b = append(b, "}}"...)
			}
			b = append(b, ']')
		}
		b = append(b, `},"logprobs":`...)
		b = appendLogprobs(b, tokens)
		b = web.AppendString(append(b, `,"finish_reason":`...), finish(res))
		b = append(b, '}')
	}
	b = append(b, `],`...)
	b = c.appendUsage(b)
	t := c.usage.Timings
	r.Timing("queue", t.Queue, "prefill", t.Prefill, "first", t.FirstToken, "total", t.Total)
	r.JSON(append(b, '}'))
}

// add sums a choice into the usage: the prompt counts once.
func (c *completion) add(i int, res dialogue.Result) {
	if i == 0 {
		c.usage = res
		return
	}
	c.usage.CompletionTokens += res.CompletionTokens
	c.usage.Timings.Total = max(c.usage.Timings.Total, res.Timings.Total)
}

func (c *completion) appendUsage(b []byte) []byte {
	u := c.usage
	b = strconv.AppendInt(append(b, `"usage":{"prompt_tokens":`...), int64(u.PromptTokens), 10)
	b = strconv.AppendInt(append(b, `,"completion_tokens":`...), int64(u.CompletionTokens), 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), int64(u.PromptTokens+u.CompletionTokens), 10)
	b = strconv.AppendInt(append(b, `,"prompt_tokens_details":{"cached_tokens":`...), int64(u.CachedTokens), 10)
	b = strconv.AppendInt(append(b, `},"completion_tokens_details":{"accepted_prediction_tokens":`...), int64(u.Timings.Accepted), 10)
	return append(b, `,"reasoning_tokens":0}}`...)
}

// finish maps how a choice ended to the API's words.
func finish(res dialogue.Result) string {
	switch {
	case len(res.ToolCalls) > 0 && res.Finish == inference.FinishStop:
		return "tool_calls"
	case res.Finish == inference.FinishLength:
		return "length"
	}
	return "stop"
}

// stream sends all choices as they come, one event a piece.
func (c *completion) stream(ctx context.Context, w *web.StreamWriter, runs []*dialogue.Run, usage bool) {
	if len(runs) == 1 {
		if !c.pump(ctx, w.Event, 0, runs[0], usage) {
			return
		}
	} else if !c.many(ctx, w, runs, usage) {
		return
	}
	if usage {
		b := append(c.head(c.buf[:0]), `,"choices":[],`...)
		if w.Event(append(c.appendUsage(b), '}')) != nil {
			return
		}
	}
	_ = w.Event([]byte("[DONE]")) // the end either way
}

// many interleaves several choices: a goroutine a choice writes its events into
// one channel, which this one empties.
func (c *completion) many(ctx context.Context, w *web.StreamWriter, runs []*dialogue.Run, usage bool) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type part struct {
		i    int
		data []byte
		ok   bool
		end  bool
	}
	parts := make(chan part, 4*len(runs))
	each := make([]*completion, len(runs))
	for i, run := range runs {
		own := *c
		own.buf = nil
		each[i] = &own
		go func() {
			send := func(data []byte) error {
				select {
				case parts <- part{i: i, data: append([]byte(nil), data...)}:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			ok := false
			defer func() {
				_ = recover() // a broken choice ends the stream by ok == false
				parts <- part{i: i, ok: ok, end: true}
			}()
			ok = own.pump(ctx, send, i, run, usage)
		}()
	}
	good := true
	for left := len(runs); left > 0; {
		p := <-parts
		if p.end {
			left--
			good = good && p.ok
			continue
		}
		if good && w.Event(p.data) != nil {
			good = false
			cancel()
		}
	}
	for i := range each {
		c.add(i, each[i].usage)
	}
	return good
}

// pump sends one choice's events and tells whether it came to its end.
func (c *completion) pump(ctx context.Context, send func([]byte) error, i int, run *dialogue.Run, usage bool) bool {
	chunk := func(delta func(b []byte) []byte, tokens []inference.TokenInfo, why string) error {
		b := append(c.head(c.buf[:0]), `,"choices":[{"index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(delta(append(b, `,"delta":{`...)), `},"logprobs":`...)
		b = append(appendLogprobs(b, tokens), `,"finish_reason":`...)
		if why == "" {
			b = append(b, "null"...)
		} else {
			b = web.AppendString(b, why)
		}
		b = append(b, "}]"...)
		if usage {
			b = append(b, `,"usage":null`...)
		}
		c.buf = append(b, '}')
		return send(c.buf)
	}
	first := true
	for {
		d, err := run.Next(ctx)
		if err != nil && !errors.Is(err, io.EOF) {
			_ = send(web.From(err).AppendJSON(nil)) // the stream ends either way
			return false
		}
		if first {
			first = false
			if chunk(func(b []byte) []byte { return append(b, `"role":"assistant","content":""`...) }, nil, "") != nil {
				return false
			}
		}
		if err != nil {
			res := run.Result()
			c.usage = res
			return chunk(func(b []byte) []byte { return b }, nil, finish(res)) == nil
		}
		err = chunk(func(b []byte) []byte {
			if d.Text != "" || len(d.ToolCalls) == 0 {
				b = web.AppendString(append(b, `"content":`...), d.Text)
				if len(d.ToolCalls) > 0 {
					b = append(b, ',')
				}
			}
			return appendToolDeltas(b, d.ToolCalls)
		}, d.Tokens, "")
		if err != nil {
			return false
		}
	}
}

func appendToolDeltas(b []byte, calls []dialogue.ToolDelta) []byte {
	if len(calls) == 0 {
		return b
	}
	b = append(b, `"tool_calls":[`...)
	for k, call := range calls {
		if k > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"index":`...), int64(call.Index), 10)
		if call.ID != "" {
			b = web.AppendString(append(b, `,"id":`...), call.ID)
			b = append(b, `,"type":"function"`...)
		}
		b = append(b, `,"function":{`...)
		if call.Name != "" {
			b = append(web.AppendString(append(b, `"name":`...), call.Name), ',')
		}
		b = append(web.AppendString(append(b, `"arguments":`...), call.Arguments), "}}"...)
	}
	return append(b, ']')
}

// appendLogprobs writes the logprobs object, null without any.
func appendLogprobs(b []byte, tokens []inference.TokenInfo) []byte {
	if len(tokens) == 0 {
		return append(b, "null"...)
	}
	one := func(b []byte, text string, logprob float32) []byte {
		b = web.AppendString(append(b, `{"token":`...), text)
		b = strconv.AppendFloat(append(b, `,"logprob":`...), max(float64(logprob), -9999), 'g', 7, 64)
		b = append(b, `,"bytes":[`...)
		for i := range len(text) {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendUint(b, uint64(text[i]), 10)
		}
		return append(b, ']')
	}
	b = append(b, `{"content":[`...)
	for i, t := range tokens {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(one(b, t.Text, t.Logprob), `,"top_logprobs":[`...)
		for k, alt := range t.Top {
			if k > 0 {
				b = append(b, ',')
			}
			b = append(one(b, alt.Text, alt.Logprob), '}')
		}
		b = append(b, "]}"...)
	}
	return append(b, `],"refusal":null}`...)
}
