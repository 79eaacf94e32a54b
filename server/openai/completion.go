package openai

import (
	"context"
	"strconv"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/server/web"
)

// completion is one answer's envelope, of a chat or of a text completion.
type completion struct {
	id, model, object string
	created           int64
	each              int      // choices a prompt
	text              bool     // a text completion, not a chat
	echo              []string // what stands before each prompt's answers; nil = nothing
	usage             bool     // a stream ends with the usage

	buf []byte
	sum dialogue.Result // over the choices
}

func (c *completion) head(b []byte) []byte {
	b = web.AppendString(append(b, `{"id":`...), c.id)
	b = web.AppendString(append(b, `,"object":`...), c.object)
	b = strconv.AppendInt(append(b, `,"created":`...), c.created, 10)
	return web.AppendString(append(b, `,"model":`...), c.model)
}

// answer reads all choices and answers at once.
func (c *completion) answer(ctx context.Context, r *web.Request, runs []*dialogue.Run) error {
	b := append(c.head(nil), `,"choices":[`...)
	for i, run := range runs {
		res, tokens, err := run.Collect(ctx)
		if err != nil {
			return err
		}
		c.add(i, res)
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"index":`...), int64(i), 10)
		if c.text {
			before := c.before(i)
			b = web.AppendString(append(b, `,"text":`...), before+res.Text)
			b = appendTextLogprobs(append(b, `,"logprobs":`...), tokens, len([]rune(before)))
		} else {
			b = appendMessage(append(b, `,"message":`...), res)
			b = appendLogprobs(append(b, `,"logprobs":`...), tokens)
		}
		b = web.AppendString(append(b, `,"finish_reason":`...), finish(res))
		b = append(b, '}')
	}
	b = append(b, `],`...)
	b = c.appendUsage(b)
	r.Timing(web.Marks(c.sum.Timings)...)
	r.JSON(append(b, '}'))
	return nil
}

// before is the text that stands in front of a choice.
func (c *completion) before(i int) string {
	if c.echo == nil {
		return ""
	}
	return c.echo[i/c.each]
}

// appendMessage writes the message of a choice.
func appendMessage(b []byte, res dialogue.Result) []byte {
	b = append(b, `{"role":"assistant","content":`...)
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
	return append(b, '}')
}

// add sums a choice into the usage: each prompt counts once.
func (c *completion) add(i int, res dialogue.Result) {
	if i == 0 {
		c.sum = res
		return
	}
	if i%c.each == 0 {
		c.sum.PromptTokens += res.PromptTokens
		c.sum.CachedTokens += res.CachedTokens
	}
	c.sum.CompletionTokens += res.CompletionTokens
	c.sum.ShiftedTokens += res.ShiftedTokens
	c.sum.Timings.Drafted += res.Timings.Drafted
	c.sum.Timings.Accepted += res.Timings.Accepted
	c.sum.Timings.Total = max(c.sum.Timings.Total, res.Timings.Total)
}

func (c *completion) appendUsage(b []byte) []byte {
	u := c.sum
	b = strconv.AppendInt(append(b, `"usage":{"prompt_tokens":`...), int64(u.PromptTokens), 10)
	b = strconv.AppendInt(append(b, `,"completion_tokens":`...), int64(u.CompletionTokens), 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), int64(u.PromptTokens+u.CompletionTokens), 10)
	b = AppendShifted(b, u)
	b = strconv.AppendInt(append(b, `,"prompt_tokens_details":{"cached_tokens":`...), int64(u.CachedTokens), 10)
	b = strconv.AppendInt(append(b, `},"completion_tokens_details":{"accepted_prediction_tokens":`...), int64(u.Timings.Accepted), 10)
	b = strconv.AppendInt(append(b, `,"rejected_prediction_tokens":`...), int64(u.Timings.Drafted-u.Timings.Accepted), 10)
	return append(b, `,"reasoning_tokens":0}}`...)
}

// AppendShifted says how many tokens were dropped to make room in the context, if
// there were any.
func AppendShifted(b []byte, res dialogue.Result) []byte {
	if res.ShiftedTokens == 0 {
		return b
	}
	return strconv.AppendInt(append(b, `,"context_shifted":`...), int64(res.ShiftedTokens), 10)
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
