package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// engineWorkloads show what a server does with prompts: reuse, fairness,
// leaving, restarts.
var engineWorkloads = []Workload{
	{
		Kind: "chat", Name: "multiturn", Help: "one conversation until its prompt has --prompt tokens; TTFT of each turn", Exact: true,
		Default: Options{Rounds: 2, Warmup: -1, Prompt: 1500, Tokens: 32, Fresh: 120}, Run: runMultiturn,
	},
	{
		Kind: "chat", Name: "sharedprefix", Help: "clients at once with one new system prompt (--prompt tokens) and different questions", Exact: true,
		Default: Options{Rounds: 2, Warmup: -1, Clients: 8, Prompt: 1000, Tokens: 16}, Run: runSharedPrefix,
	},
	{
		Kind: "chat", Name: "longalone", Help: "a long prompt on an idle server", Exact: true,
		Default: Options{Rounds: 2, Warmup: -1, Prompt: 2900, Tokens: 8}, Run: runLongAlone,
	},
	{
		Kind: "chat", Name: "longbeside", Help: "streams (--clients) while a long prompt is read: their gaps, its TTFT", Exact: true,
		Default: Options{Rounds: 2, Warmup: -1, Clients: 3, Prompt: 2900, Tokens: 1000}, Run: runLongBeside,
	},
	{
		Kind: "chat", Name: "manysessions", Help: "conversations (--sessions) of ~--prompt tokens in turn", Exact: true,
		Default: Options{Rounds: 1, Warmup: -1, Sessions: 12, Prompt: 600, Tokens: 16, Turns: 3, Fresh: 12}, Run: runManySessions,
	},
	{
		Kind: "chat", Name: "cancel", Help: "a client leaves while its long prompt is read; the wait of the next short request", Exact: true,
		Default: Options{Rounds: 4, Warmup: -1, Prompt: 3000, Tokens: 4, Delay: 500 * time.Millisecond}, Run: runCancel,
	},
	{
		Kind: "chat", Name: "restart", Help: "TTFT of a long conversation cold, hot, and after SIGTERM and a new start", Exact: true, Owned: true,
		Default: Options{Rounds: 1, Warmup: -1, Prompt: 1600, Tokens: 8, Fresh: 12}, Run: runRestart,
	},
}

// runMultiturn talks until the prompt is as long as wanted. The answers are
// the server's own, as in a real conversation.
func runMultiturn(ctx context.Context, e *Env) error {
	rng := Rand(e.Seed, e.Start, e.Index, "multiturn")
	var talk []Message
	for turn := 0; ; turn++ {
		talk = append(talk, e.Target.Calib.UserPrompt(rng, e.Target.Calib.User+e.Fresh)...)
		res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: talk, MaxTokens: e.Tokens})
		if err != nil {
			return err
		}
		talk = append(talk, Message{"assistant", res.Text})
		if turn == 0 {
			e.Add("first_turn_ttft", res.TTFT())
			continue
		}
		e.Add("ttft", res.TTFT())
		e.Add("gap", res.Gaps()...)
		e.Add("fresh", float64(res.Fresh()))
		e.Add("cached_share", share(res.Cached, res.Prompt))
		e.Add("prompt", float64(res.Prompt))
		if res.Prompt >= e.Prompt || turn >= 200 {
			e.Add("ttft@last", res.TTFT())
			return nil
		}
	}
}

// runSharedPrefix sends one new system prompt with many questions at once.
func runSharedPrefix(ctx context.Context, e *Env) error {
	c := &e.Target.Calib
	rng := Rand(e.Seed, e.Start, e.Index, "shared")
	system := c.SystemText(rng, e.Prompt)
	questions := make([]string, e.Clients)
	for i := range questions {
		questions[i] = fmt.Sprintf("%d. %s?%s", i+1, counted(c.pick(rng, 12)), question)
	}
	results := make([]ChatResult, e.Clients)
	errs := make([]error, e.Clients)
	began := time.Now()
	crowd(e.Clients, func(i int) {
		results[i], errs[i] = e.Chat(ctx, e.Target, ChatRequest{
			Messages: []Message{{"system", system}, {"user", questions[i]}}, MaxTokens: e.Tokens,
		})
	})
	wall := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	shared, fresh, ideal := e.Prompt+c.Shared, 0, 0
	for i, res := range results {
		e.AddChat(res, "")
		fresh += res.Fresh()
		ideal += res.Prompt - shared
		if i == 0 {
			ideal += shared
		}
	}
	e.Add("prefilled", float64(fresh))
	e.Add("prefill_ideal", float64(ideal))
	e.Add("prefill_ratio", float64(fresh)/float64(ideal))
	e.Add("wall", ms(wall))
	return nil
}

func runLongAlone(ctx context.Context, e *Env) error {
	rng := Rand(e.Seed, e.Start, e.Index, "long")
	res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: e.Target.Calib.UserPrompt(rng, e.Prompt), MaxTokens: e.Tokens})
	if err != nil {
		return err
	}
	e.Add("ttft_long", res.TTFT())
	e.Add("prompt", float64(res.Prompt))
	e.Add("cached", float64(res.Cached))
	return nil
}

// runManySessions goes round many conversations, one turn each.
func runManySessions(ctx context.Context, e *Env) error {
	c := &e.Target.Calib
	rng := Rand(e.Seed, e.Start, e.Index, "sessions")
	talks := make([][]Message, e.Sessions)
	for turn := range e.Turns {
		for i := range talks {
			n := e.Prompt
			if turn > 0 {
				n = c.User + e.Fresh
			}
			talks[i] = append(talks[i], c.UserPrompt(rng, n)...)
			res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: talks[i], MaxTokens: e.Tokens})
			if err != nil {
				return err
			}
			talks[i] = append(talks[i], Message{"assistant", res.Text})
			if turn == 0 {
				e.Add("first_turn_ttft", res.TTFT())
				continue
			}
			e.Add("ttft", res.TTFT())
			e.Add("fresh", float64(res.Fresh()))
			e.Add("cached_share", share(res.Cached, res.Prompt))
		}
	}
	return nil
}

// runCancel measures what an abandoned prompt costs the next client.
func runCancel(ctx context.Context, e *Env) error {
	c := &e.Target.Calib
	rng := Rand(e.Seed, e.Start, e.Index, "cancel")
	short := func(metric string) (float64, error) {
		res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: c.UserPrompt(rng, c.User+8), MaxTokens: e.Tokens})
		if err == nil {
			e.Add(metric, res.TTFT())
		}
		return res.TTFT(), err
	}
	alone, err := short("ttft_undisturbed")
	if err != nil {
		return err
	}
	leave, stop := context.WithTimeout(ctx, e.Delay)
	defer stop()
	res, err := e.Target.Chat(leave, ChatRequest{Messages: c.UserPrompt(rng, e.Prompt), MaxTokens: e.Tokens})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if leave.Err() == nil {
		return fmt.Errorf("bench: the prompt was read in %.0f ms, before the client left (%v): make --prompt longer or --delay shorter (%w)", res.Total(), e.Delay, errors.Join(err, errTooFast))
	}
	after, err := short("ttft_after")
	if err != nil {
		return err
	}
	e.Add("wait_added", after-alone)
	_, err = short("ttft_second")
	return err
}

var errTooFast = errors.New("nothing was cancelled")

// runRestart measures what a restart costs a long conversation.
func runRestart(ctx context.Context, e *Env) error {
	c := &e.Target.Calib
	rng := Rand(e.Seed, e.Start, e.Index, "restart")
	var talk []Message
	turn := func(metric string, words int) (ChatResult, error) {
		talk = append(talk, c.UserPrompt(rng, words)...)
		res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: talk, MaxTokens: e.Tokens})
		if err == nil {
			talk = append(talk, Message{"assistant", res.Text})
			e.Add(metric, res.TTFT())
		}
		return res, err
	}
	cold, err := turn("ttft_cold", e.Prompt)
	if err != nil {
		return err
	}
	if _, err := turn("ttft_hot", c.User+e.Fresh); err != nil {
		return err
	}
	next, down, up, err := e.Target.Proc.Restart(ctx, e.Target.Label)
	if err != nil {
		return err
	}
	e.Target.Proc = next
	e.Add("down", ms(down))
	e.Add("up", ms(up))
	restored, err := turn("ttft_restored", c.User+e.Fresh)
	if err != nil {
		return err
	}
	e.Add("restored_share", restored.TTFT()/cold.TTFT())
	e.Add("cached_share", share(restored.Cached, restored.Prompt))
	return nil
}

// share is part ÷ whole; 0 of nothing.
func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
