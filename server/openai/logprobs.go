package openai

import (
	"strconv"
	"unicode/utf8"

	"repartee/inference"
	"repartee/server/web"
)

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

// appendTextLogprobs writes the logprobs object of a text completion, null
// without any. offset is where the first token begins in the choice's text.
func appendTextLogprobs(b []byte, tokens []inference.TokenInfo, offset int) []byte {
	if len(tokens) == 0 {
		return append(b, "null"...)
	}
	list := func(name string, each func(t inference.TokenInfo)) {
		b = append(append(append(b, '"'), name...), `":[`...)
		for i, t := range tokens {
			if i > 0 {
				b = append(b, ',')
			}
			each(t)
		}
		b = append(b, ']')
	}
	number := func(v float32) {
		b = strconv.AppendFloat(b, max(float64(v), -9999), 'g', 7, 64)
	}
	b = append(b, '{')
	list("tokens", func(t inference.TokenInfo) { b = web.AppendString(b, t.Text) })
	b = append(b, ',')
	list("token_logprobs", func(t inference.TokenInfo) { number(t.Logprob) })
	b = append(b, ',')
	list("top_logprobs", func(t inference.TokenInfo) {
		b = append(b, '{')
		seen := map[string]bool{}
		for _, alt := range t.Top {
			if seen[alt.Text] { // two tokens of one text
				continue
			}
			if len(seen) > 0 {
				b = append(b, ',')
			}
			seen[alt.Text] = true
			b = append(web.AppendString(b, alt.Text), ':')
			number(alt.Logprob)
		}
		b = append(b, '}')
	})
	b = append(b, ',')
	list("text_offset", func(t inference.TokenInfo) {
		b = strconv.AppendInt(b, int64(offset), 10)
		offset += utf8.RuneCountInString(t.Text)
	})
	return append(b, '}')
}
