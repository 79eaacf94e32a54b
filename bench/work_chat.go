package bench

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// hotPrompt is the short prompt that is asked again and again.
const hotPrompt = "Tell me a long story about a lighthouse keeper and the sea."

// maxFlying bounds the open loop's requests under way.
const maxFlying = 512

var chatWorkloads = []Workload{
	{
		Kind: "chat", Name: "hot", Help: "one short prompt again and again, cached; 32 tokens of answer",
		Default: Options{Rounds: 20, Warmup: 2, Clients: 1, Requests: 1, Tokens: 32},
		Run: func(ctx context.Context, e *Env) error {
			return e.load(ctx, e.Clients, "", func(int, int) []Message { return User(hotPrompt) })
		},
	},
	{
		Kind: "chat", Name: "onetoken", Help: "one token of answer, plain, cached: what a request costs beside the model's step",
		Default: Options{Rounds: 50, Warmup: 3, Tokens: 1}, Run: runOneToken,
	},
	{
		Kind: "chat", Name: "load", Help: "clients with exact-length prompts of their own, closed loop or open loop (--rate)", Exact: true,
		Default: Options{Rounds: 3, Warmup: -1, Clients: 4, Requests: 4, Prompt: 128, Tokens: 64},
		Run: func(ctx context.Context, e *Env) error {
			return e.load(ctx, e.Clients, "", e.ownPrompts("load"))
		},
	},
	{
		Kind: "chat", Name: "throughput", Help: "the same at 1, 4 and 8 clients (to --clients, doubling twice)", Exact: true,
		Default: Options{Rounds: 3, Warmup: -1, Clients: 8, Requests: 3, Prompt: 64, Tokens: 64},
		Run: func(ctx context.Context, e *Env) error {
			for _, n := range []int{1, max(2, e.Clients/2), e.Clients} {
				label := "@" + strconv.Itoa(n)
				if err := e.load(ctx, n, label, e.ownPrompts("throughput"+label)); err != nil {
					return err
				}
			}
			return nil
		},
	},
}

// ownPrompts makes fresh prompts of the wanted length, the same on both
// servers.
func (e *Env) ownPrompts(purpose string) func(client, request int) []Message {
	var mu sync.Mutex
	return func(client, request int) []Message {
		mu.Lock()
		defer mu.Unlock()
		rng := Rand(e.Seed, e.Start, e.Index, fmt.Sprintf("%s/%d/%d", purpose, client, request))
		return e.Target.Calib.UserPrompt(rng, e.Prompt)
	}
}

// load runs n clients that ask one after the other (closed loop), or, with a
// rate, n×requests requests at seeded random moments (open loop).
func (e *Env) load(ctx context.Context, n int, label string, prompt func(client, request int) []Message) error {
	var tokens counter
	one := func(client, request int) {
		res, err := e.Chat(ctx, e.Target, ChatRequest{
			Messages: prompt(client, request), MaxTokens: e.Tokens, Temperature: e.Temperature, Seed: e.Seed + uint64(client),
		})
		if err == nil {
			e.AddChat(res, label)
			tokens.add(res.Completion)
		}
	}
	began := time.Now()
	if e.Rate > 0 {
		if err := e.openLoop(ctx, n*e.Requests, one); err != nil {
			return err
		}
	} else {
		crowd(n, func(client int) {
			for request := 0; request < e.Requests && ctx.Err() == nil; request++ {
				one(client, request)
			}
		})
	}
	e.Add("throughput"+label, float64(tokens.value())/time.Since(began).Seconds())
	return nil
}

// openLoop sends n requests at moments of a Poisson process, whether or not
// the earlier ones are answered.
func (e *Env) openLoop(ctx context.Context, n int, one func(client, request int)) error {
	rng := Rand(e.Seed, e.Start, e.Index, "arrivals")
	slots := make(chan struct{}, maxFlying)
	var wg sync.WaitGroup
	defer wg.Wait()
	next := time.Now()
	for i := range n {
		next = next.Add(time.Duration(rng.ExpFloat64() / e.Rate * float64(time.Second)))
		wait := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
			wait.Stop()
			return context.Cause(ctx)
		case <-wait.C:
		}
		select {
		case slots <- struct{}{}:
		default:
			e.Result(fmt.Errorf("bench: not sent: %d requests are under way", maxFlying))
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			one(i, 0)
		})
	}
	return nil
}

// runOneToken asks for a single token of a cached prompt.
func runOneToken(ctx context.Context, e *Env) error {
	res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: User(hotPrompt), MaxTokens: e.Tokens, Plain: true})
	if err != nil {
		return err
	}
	if !res.Server.Known {
		return errors.Join(errNoTimings, errors.New("bench: total alone says nothing about the rest"))
	}
	e.Add("total", res.Total())
	e.Add("model", res.Server.Model)
	e.Add("beside", res.Total()-res.Server.Model)
	e.Add("prompt", float64(res.Prompt))
	e.Add("cached", float64(res.Cached))
	return nil
}

// crowd runs f for clients 0 … n−1 at once and waits for all.
func crowd(n int, f func(client int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// counter is a sum many goroutines add to.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) add(n int) { c.mu.Lock(); c.n += n; c.mu.Unlock() }

func (c *counter) value() int { c.mu.Lock(); defer c.mu.Unlock(); return c.n }
