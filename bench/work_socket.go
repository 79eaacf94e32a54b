package bench

import (
	"context"
	"errors"
	"strings"
)

var socketWorkloads = []Workload{
	{
		Kind: "ws", Name: "chat", Help: "one short turn a connection: first token, gaps",
		Default: Options{Rounds: 20, Warmup: 2, Clients: 1, Requests: 1, Tokens: 32},
		Run:     func(ctx context.Context, e *Env) error { return e.sockets(ctx, false, e.chatTurn) },
	},
	{
		Kind: "ws", Name: "speak", Help: "the same with speech: first audio while the model still writes",
		Default: Options{Rounds: 10, Warmup: 2, Clients: 1, Requests: 1, Tokens: 48},
		Run:     func(ctx context.Context, e *Env) error { return e.sockets(ctx, true, e.chatTurn) },
	},
	{
		Kind: "ws", Name: "typed", Help: "a long message that arrives in pieces before it is committed: first token from commit",
		Default: Options{Rounds: 6, Warmup: 1, Clients: 1, Requests: 1, Tokens: 16, Prompt: 60},
		Run:     func(ctx context.Context, e *Env) error { return e.sockets(ctx, false, e.typedTurn) },
	},
	{
		Kind: "ws", Name: "cancel", Help: "cancel in mid-answer: until the server says cancelled, and the next turn's first token",
		Default: Options{Rounds: 10, Warmup: 1, Clients: 1, Requests: 1, Tokens: 400}, Run: func(ctx context.Context, e *Env) error { return e.sockets(ctx, false, e.cancelledTurn) },
	},
}

// sockets runs turns on connections of their own.
func (e *Env) sockets(ctx context.Context, speak bool, turn func(s *Socket, request int) error) error {
	errs := make([]error, e.Clients)
	crowd(e.Clients, func(client int) {
		for request := 0; request < e.Requests && ctx.Err() == nil; request++ {
			start := map[string]any{}
			if speak {
				start["speak"] = true
				start["audio"] = map[string]any{"format": "pcm"}
			}
			s, err := e.Target.Open(ctx, start)
			if err == nil {
				err = turn(s, request)
				s.Close()
			}
			e.Result(err)
			if err != nil {
				errs[client] = err
				return
			}
		}
	})
	return errors.Join(errs...)
}

func (e *Env) chatMessage(text string) map[string]any {
	return map[string]any{"type": "chat", "message": text, "max_tokens": e.Tokens, "temperature": e.Temperature, "seed": 1}
}

func (e *Env) chatTurn(s *Socket, _ int) error {
	r, err := s.Turn(e.chatMessage(hotPrompt), 0)
	if err != nil {
		return err
	}
	e.AddChat(r.ChatResult, "")
	if !r.FirstAudio.IsZero() {
		e.Add("first_audio", ms(r.FirstAudio.Sub(r.Sent)))
	}
	return nil
}

// typedTurn sends a message word by word; what it costs is counted from
// commit.
func (e *Env) typedTurn(s *Socket, request int) error {
	rng := Rand(e.Seed, e.Start, e.Index, "typed")
	var text []string
	for len(text) < e.Prompt {
		text = append(text, strings.Fields(MediumText(rng))...)
	}
	for i := 0; i < len(text); i += 6 {
		piece := strings.Join(text[i:min(i+6, len(text))], " ") + " "
		if err := s.send(map[string]any{"type": "input", "text": piece}); err != nil {
			return err
		}
	}
	message := map[string]any{"type": "commit", "max_tokens": e.Tokens, "temperature": e.Temperature}
	r, err := s.Turn(message, 0)
	if err == nil {
		e.AddChat(r.ChatResult, "")
	}
	return err
}

func (e *Env) cancelledTurn(s *Socket, _ int) error {
	r, err := s.Turn(e.chatMessage(hotPrompt), 8)
	if err != nil {
		return err
	}
	if r.Cancelled.IsZero() {
		return errors.New("bench: the answer ended before the cancel")
	}
	e.Add("cancelled", r.Total())
	next := e.chatMessage("And then?")
	next["max_tokens"] = 8
	after, err := s.Turn(next, 0)
	if err == nil {
		e.Add("ttft_after", after.TTFT())
	}
	return err
}
