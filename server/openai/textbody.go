package openai

import (
	"encoding/json"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/server/web"
)

// textBody is the wire type of POST /v1/completions. A suffix is accepted and
// not used: the models served here have no place for it.
type textBody struct {
	samplingBody
	Prompt   Prompts `json:"prompt"`
	Echo     bool    `json:"echo"`
	BestOf   *int    `json:"best_of"`
	Suffix   string  `json:"suffix"`
	Logprobs *int    `json:"logprobs"`
	Grammar  string  `json:"grammar"`
}

// Bounds of text completions.
const (
	maxPrompts      = 64
	defaultTextSize = 16 // tokens, as the API's reference says
)

// Prompt is text or tokens.
type Prompt struct {
	Text   string
	Tokens []inference.Token // nil = Text
}

// Prompts is a string, a list of strings, a list of tokens or a list of lists
// of tokens; null is none.
type Prompts []Prompt

// UnmarshalJSON takes all four forms.
func (p *Prompts) UnmarshalJSON(b []byte) error {
	var (
		one    string
		many   []string
		tokens []inference.Token
		lists  [][]inference.Token
	)
	switch {
	case string(b) == "null":
		*p = nil
	case json.Unmarshal(b, &one) == nil:
		*p = Prompts{{Text: one}}
	case json.Unmarshal(b, &many) == nil:
		*p = make(Prompts, len(many))
		for i, s := range many {
			(*p)[i].Text = s
		}
	case json.Unmarshal(b, &tokens) == nil:
		*p = Prompts{{Tokens: tokens}}
	case json.Unmarshal(b, &lists) == nil:
		*p = make(Prompts, len(lists))
		for i, l := range lists {
			(*p)[i].Tokens = l
		}
	default:
		return &web.Mismatch{Want: "a string, a list of strings, a list of token ids or a list of such lists"}
	}
	return nil
}

// turns validates the body and translates it: a turn a prompt, each to be run n
// times, and what is to be echoed in front.
func (b *textBody) turns(r *web.Request, model func(name string) (dialogue.Engine, error)) (turns []dialogue.Turn, echo []string, n int, err error) {
	t, n, err := b.turn(r, model)
	if err != nil {
		return nil, nil, 0, err
	}
	if t.MaxTokens == 0 {
		t.MaxTokens = defaultTextSize
	}
	if l := b.Logprobs; l != nil {
		if *l < 0 || *l > maxLogprobs {
			return nil, nil, 0, web.Bad("logprobs", "logprobs: want 0 … %d", maxLogprobs)
		}
		t.Sampling.Logprobs = *l
	}
	if m := b.BestOf; m != nil && (*m < 0 || *m > maxChoices) {
		return nil, nil, 0, web.Bad("best_of", "best_of: want 0 … %d", maxChoices)
	}
	if len(b.Prompt) == 0 {
		b.Prompt = Prompts{{}}
	}
	if len(b.Prompt)*n > maxPrompts {
		return nil, nil, 0, web.Bad("prompt", "prompt: %d prompts times n = %d is too much, want at most %d", len(b.Prompt), n, maxPrompts)
	}
	t.Grammar = b.Grammar
	for _, p := range b.Prompt {
		t.Prompt, t.PromptTokens = p.Text, p.Tokens
		turns = append(turns, t)
		if b.Echo {
			if p.Tokens != nil {
				engine, err := model(b.Model)
				if err != nil {
					return nil, nil, 0, err
				}
				p.Text = engine.Detokenize(p.Tokens)
			}
			echo = append(echo, p.Text)
		}
	}
	return turns, echo, n, nil
}
