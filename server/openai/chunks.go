package openai

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime/debug"
	"strconv"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/server/web"
)

// stream sends all choices as they come, one event a piece.
func (c *completion) stream(ctx context.Context, w *web.StreamWriter, runs []*dialogue.Run) {
	if !c.text {
		c.object = "chat.completion.chunk"
	}
	if len(runs) == 1 {
		if !c.pump(ctx, w.Event, 0, runs[0]) {
			return
		}
	} else if !c.many(ctx, w, runs) {
		return
	}
	if c.usage {
		b := append(c.head(c.buf[:0]), `,"choices":[],`...)
		if w.Event(append(c.appendUsage(b), '}')) != nil {
			return
		}
	}
	_ = w.Event([]byte("[DONE]")) // the end either way
}

// many interleaves several choices: a goroutine a choice writes its events into
// one channel, which this one empties.
func (c *completion) many(ctx context.Context, w *web.StreamWriter, runs []*dialogue.Run) bool {
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
				if p := recover(); p != nil {
					slog.Error("panic in a choice", "panic", p, "stack", string(debug.Stack()))
					_ = send((&web.Error{Status: 500, Type: "server_error", Msg: "internal error"}).AppendJSON(nil)) // the end either way
				}
				parts <- part{i: i, ok: ok, end: true}
			}()
			ok = own.pump(ctx, send, i, run)
		}()
	}
	good := true
	for left := len(runs); left > 0; {
		p := <-parts
		switch {
		case p.end:
			left--
			if !p.ok {
				good = false
				cancel()
			}
		case good && w.Event(p.data) != nil:
			good = false
			cancel()
		}
	}
	for i := range each {
		c.add(i, each[i].sum)
	}
	return good
}

// pump sends one choice's events and tells whether it came to its end.
func (c *completion) pump(ctx context.Context, send func([]byte) error, i int, run *dialogue.Run) bool {
	offset := 0 // of the next piece in a text completion's choice, characters
	if c.text {
		if before := c.before(i); before != "" {
			offset = len([]rune(before))
			if send(c.textChunk(i, before, nil, 0, "")) != nil {
				return false
			}
		}
	}
	for first := true; ; first = false {
		d, err := run.Next(ctx)
		if err != nil {
			if err = web.Ended(ctx, err); !errors.Is(err, io.EOF) {
				_ = send(web.From(err).AppendJSON(nil)) // the stream ends either way
				return false
			}
		}
		if first && !c.text && send(c.chatChunk(i, nil, "")) != nil {
			return false
		}
		if err != nil {
			c.sum = run.Result()
			if c.text {
				return send(c.textChunk(i, "", nil, offset, finish(c.sum))) == nil
			}
			return send(c.chatChunk(i, &dialogue.Delta{}, finish(c.sum))) == nil
		}
		if c.text {
			err = send(c.textChunk(i, d.Text, d.Tokens, offset, ""))
			for _, t := range d.Tokens {
				offset += len([]rune(t.Text))
			}
		} else {
			err = send(c.chatChunk(i, &d, ""))
		}
		if err != nil {
			return false
		}
	}
}

// chatChunk writes an event of a chat; without a delta it is the first, which
// names the role. The result is valid until the next call.
func (c *completion) chatChunk(i int, d *dialogue.Delta, why string) []byte {
	b := append(c.head(c.buf[:0]), `,"choices":[{"index":`...)
	b = append(strconv.AppendInt(b, int64(i), 10), `,"delta":{`...)
	var tokens []inference.TokenInfo
	if d == nil {
		b = append(b, `"role":"assistant","content":""`...)
	} else {
		b = appendDelta(b, d)
		tokens = d.Tokens
	}
	b = appendLogprobs(append(b, `},"logprobs":`...), tokens)
	return c.endChunk(b, why)
}

// textChunk writes an event of a text completion.
func (c *completion) textChunk(i int, text string, tokens []inference.TokenInfo, offset int, why string) []byte {
	b := append(c.head(c.buf[:0]), `,"choices":[{"index":`...)
	b = web.AppendString(append(strconv.AppendInt(b, int64(i), 10), `,"text":`...), text)
	b = appendTextLogprobs(append(b, `,"logprobs":`...), tokens, offset)
	return c.endChunk(b, why)
}

func (c *completion) endChunk(b []byte, why string) []byte {
	b = append(b, `,"finish_reason":`...)
	if why == "" {
		b = append(b, "null"...)
	} else {
		b = web.AppendString(b, why)
	}
	b = append(b, "}]"...)
	if c.usage {
		b = append(b, `,"usage":null`...)
	}
	c.buf = append(b, '}')
	return c.buf
}

// appendDelta writes the members of a delta.
func appendDelta(b []byte, d *dialogue.Delta) []byte {
	n := len(b)
	if d.Reasoning != "" {
		b = web.AppendString(append(b, `"reasoning_content":`...), d.Reasoning)
	}
	if d.Text != "" {
		if len(b) > n {
			b = append(b, ',')
		}
		b = web.AppendString(append(b, `"content":`...), d.Text)
	}
	if len(d.ToolCalls) > 0 {
		if len(b) > n {
			b = append(b, ',')
		}
		b = appendToolDeltas(b, d.ToolCalls)
	}
	return b
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
