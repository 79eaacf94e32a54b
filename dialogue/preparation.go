package dialogue

import (
	"context"
	"slices"

	"repartee/inference"
)

// Preparation is the reading of a turn that is not complete yet, so that only
// its end is left to be read when it is.
type Preparation struct {
	model  string
	tokens []inference.Token
	stream *inference.Stream
}

// Tokens is how many tokens are being, or were, read ahead.
func (p *Preparation) Tokens() int { return len(p.tokens) }

// Wait returns when all is read or the reading was given up, or with ctx's error.
func (p *Preparation) Wait(ctx context.Context) error {
	for {
		if _, err := p.stream.Next(ctx); err != nil {
			return ctx.Err()
		}
	}
}

// Close ends the reading; what was read stays for the turn.
func (p *Preparation) Close() { p.stream.Close() }

// Prepare begins to read a turn whose last message is still growing. last is the
// turn's earlier preparation, nil = none; it is closed, and what of it no longer
// holds is dropped. Errors are those of Start; none of them means anything for the
// turn itself. The end of ctx ends the reading.
func (s *Service) Prepare(ctx context.Context, t Turn, last *Preparation) (*Preparation, error) {
	engine, name, err := s.Engine(t.Model, t.Mode)
	if err != nil {
		return nil, err
	}
	if len(t.Messages) == 0 {
		return nil, &FieldError{"messages", "want at least one"}
	}
	tokens, err := s.opening(engine, t)
	if err != nil {
		return nil, err
	}
	prefix := &inference.Prefix{Tokens: slices.Clone(tokens), Namespace: t.Namespace, CacheSalt: t.CacheSalt, Weight: t.Weight}
	if last != nil {
		last.Close()
		if last.model == name {
			prefix.Replaces = last.tokens
		}
	}
	stream, err := engine.Prefill(ctx, prefix)
	if err != nil {
		return nil, err
	}
	return &Preparation{model: name, tokens: tokens, stream: stream}, nil
}

// opening returns the tokens that the turn's prompt will begin with however its
// last message goes on: what the prompt has in common with one that goes on. The
// last token is left out, for the word may not be complete.
func (s *Service) opening(engine Engine, t Turn) ([]inference.Token, error) {
	var prompts [2][]inference.Token
	for i, more := range []string{"", " and\n"} {
		turn := t
		turn.Messages = slices.Clone(t.Messages)
		turn.Messages[len(turn.Messages)-1].Content += more
		run, req := &Run{service: s, engine: engine, turn: turn}, &inference.Request{}
		if err := run.render(req); err != nil {
			return nil, err
		}
		prompts[i] = req.Prompt
	}
	common := 0
	for common < min(len(prompts[0]), len(prompts[1])) && prompts[0][common] == prompts[1][common] {
		common++
	}
	return prompts[0][:max(common-1, 0)], nil
}
