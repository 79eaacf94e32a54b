package dialogue

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"repartee/inference"
)

// sinks is how many leading tokens stay where it is not known which are the system
// prompt: a model's attention rests on the first few, whatever they are (Xiao et al.
// 2023, "Efficient Streaming Language Models with Attention Sinks").
const sinks = 4

// shifts tells whether the turn may outgrow the context.
func (r *Run) shifts() bool {
	if on := r.turn.ContextShift; on != nil {
		return *on
	}
	return r.service.shift
}

// mayShift says in the request what must stay when it outgrows the context, and
// shortens a prompt that does so already.
func (r *Run) mayShift(req *inference.Request) error {
	size, before := r.engine.ContextSize(), len(r.turn.Before)
	c := &inference.ContextShift{Keep: sinks}
	if places := r.places(req.Prompt[before:]); len(places) > 0 {
		if before == 0 {
			c.Keep = places[0]
		}
		for _, p := range places {
			c.Turns = append(c.Turns, before+p)
		}
	}
	if keep := r.turn.ContextKeep; keep != nil {
		if c.Keep = *keep; *keep < 0 {
			c.Keep = len(req.Prompt)
		} else if !inference.Keeps(*keep, size) {
			return &FieldError{"context_keep", fmt.Sprintf("%d tokens leave too little of a context of %d to go on in, want at most %d", *keep, size, size/4*3)}
		}
	}
	req.Shift = c
	if req.Truncate(size); req.Truncated > 0 {
		slog.Debug("a prompt was shortened to fit the context", "model", r.model, "request", req.ID, "dropped", req.Truncated, "tokens", len(req.Prompt))
	}
	return nil
}

// dropOldest takes the oldest of the user's turns out of messages whose prompt is
// too long, so many that the rest fits: those in the first half of what the system
// prompt leaves of the context, in the first two halves, and so on. A conversation
// that grows then begins alike for some turns and is found in the cache. It returns
// false when only the last turn is left.
func (r *Run) dropOldest(req *inference.Request) bool {
	var users []int
	for i, m := range r.messages {
		if m.Role == "user" {
			users = append(users, i)
		}
	}
	if len(users) < 2 {
		return false
	}
	k := (len(users) + 1) / 2 // where it is not known where they stand
	if at, size := r.places(req.Prompt), r.engine.ContextSize(); len(at) == len(users) && inference.Keeps(at[0], size) {
		block := (size - at[0]) / 2
		over := len(req.Prompt) + r.reserve() - size + 1
		gone := (over + block - 1) / block * block
		for k = 1; k < len(users)-1 && at[k]-at[0] < gone; k++ {
		}
	}
	r.messages = slices.Concat(r.messages[:users[0]], r.messages[users[k]:])
	return true
}

// places returns where in the prompt's tokens the texts of the user's messages
// begin: the template is rendered once more with other texts in their place. Where
// that does not tell, there are fewer, or none.
func (r *Run) places(prompt []inference.Token) []int {
	messages := slices.Clone(r.messages)
	var texts, marks []string
	for i := range messages {
		if m := &messages[i]; m.Role == "user" && m.Content != "" {
			mark := fmt.Sprintf("(turn %d of the user)", i)
			texts, marks = append(texts, m.Content), append(marks, mark)
			m.Content = mark
		}
	}
	if len(texts) == 0 {
		return nil
	}
	schema := r.schema
	in, err := r.input(messages)
	r.schema = schema
	if err != nil {
		return nil
	}
	marked, err := r.engine.Render(in)
	if err != nil {
		return nil
	}
	return tokenPlaces(r.engine, prompt, r.rendered.Prompt, textPlaces(r.rendered.Prompt, marked.Prompt, texts, marks))
}

// textPlaces returns where texts stand in a rendering, which is like marked but that
// marks stand there. Templates may trim a text.
func textPlaces(rendered, marked string, texts, marks []string) []int {
	var places []int
	at := 0
	for i, text := range texts {
		between, rest, found := strings.Cut(marked, marks[i])
		if !found || !strings.HasPrefix(rendered[at:], between) {
			break
		}
		at += len(between)
		if !strings.HasPrefix(rendered[at:], text) {
			text = strings.TrimSpace(text)
		}
		if !strings.HasPrefix(rendered[at:], text) {
			break
		}
		places = append(places, at)
		at, marked = at+len(text), rest
	}
	return places
}

// tokenPlaces translates places in a text to those of its tokens in which they lie.
// A first token that the tokenizer added, and a space that it put in front, are not
// in the text.
func tokenPlaces(engine Engine, tokens []inference.Token, text string, places []int) []int {
	var out []int
	at := 0
	for i, tok := range tokens {
		piece := engine.Piece(tok, true)
		switch rest := text[at:]; {
		case len(piece) <= len(rest) && rest[:len(piece)] == string(piece):
		case i == 0:
			continue
		case at == 0 && bytes.HasPrefix(piece, []byte(" ")) && strings.HasPrefix(rest, string(piece[1:])):
			piece = piece[1:]
		default:
			return out
		}
		at += len(piece)
		for len(places) > 0 && places[0] < at {
			out, places = append(out, i), places[1:]
		}
	}
	return out
}
