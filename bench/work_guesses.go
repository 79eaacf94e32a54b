package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"
)

// way is one manner of asking. What is said in one way is of no help in another:
// each has a cache of its own, which lasts from round to round.
type way struct {
	name  string
	extra map[string]any
}

func (w way) fields() map[string]any {
	f := map[string]any{"cache_salt": w.name}
	maps.Copy(f, w.extra)
	return f
}

// unguessed is what the other ways are compared with.
var unguessed = way{"off", map[string]any{"speculate": "off"}}

// turnwise asks all clients' prompts in each way, in an order that is another one
// each round, and records the time from first to last text over that without
// guesses, of all clients together.
func (e *Env) turnwise(ctx context.Context, task string, prompts []string, ways []way) error {
	spent := make([]time.Duration, len(ways))
	texts := make([][]string, len(ways))
	for i := range ways {
		n := (i + e.Index + len(ways)) % len(ways) // the index is negative while warming up
		w := ways[n]
		texts[n] = make([]string, len(prompts))
		took, errs := make([]time.Duration, len(prompts)), make([]error, len(prompts))
		label := "@" + task + "-" + w.name
		crowd(len(prompts), func(client int) {
			res, err := e.generate(ctx, prompts[client], label, w.fields())
			if errs[client] = err; err != nil {
				return
			}
			texts[n][client] = res.Text
			if last := len(res.Arrivals) - 1; last > 0 {
				took[client] = res.Arrivals[last].Sub(res.Arrivals[0])
			}
		})
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for _, d := range took {
			spent[n] += d
		}
	}
	for client, prompt := range prompts {
		e.Add("copied@"+task, copied(texts[0][client], prompt))
	}
	for n, w := range ways[1:] {
		if spent[0] > 0 {
			e.Add("with_of_without@"+task+"-"+w.name, spent[n+1].Seconds()/spent[0].Seconds())
		}
		if e.Temperature > 0 {
			continue
		}
		changed := 0
		for client := range prompts {
			if texts[n+1][client] != texts[0][client] {
				changed++
			}
		}
		e.Add("changed@"+task+"-"+w.name, float64(changed))
	}
	return nil
}

// copiedRun is how many words in the same order are taken for a copy.
const copiedRun = 4

// copied is the share of text's words that stand in runs of copiedRun words which
// prompt has too: a copying task is worth that name only as far as the model copies.
func copied(text, prompt string) float64 {
	words, in := strings.Fields(text), " "+strings.Join(strings.Fields(prompt), " ")+" "
	n, counted := 0, 0 // the words before counted are
	for i := copiedRun; i <= len(words); i++ {
		if strings.Contains(in, " "+strings.Join(words[i-copiedRun:i], " ")+" ") {
			n += i - max(counted, i-copiedRun)
			counted = i
		}
	}
	if len(words) == 0 {
		return 0
	}
	return float64(n) / float64(len(words))
}

// runGuesses asks for every task with guesses and without.
func runGuesses(ctx context.Context, e *Env) error {
	clients := make([][]task, max(e.Clients, 1))
	for i := range clients {
		clients[i] = tasks(Rand(e.Seed, i, e.Index, fmt.Sprintf("tasks/%d", e.Start)))
	}
	for k, t := range clients[0] {
		prompts := make([]string, len(clients))
		for i := range clients {
			prompts[i] = clients[i][k].prompt
		}
		if err := e.turnwise(ctx, t.name, prompts, []way{unguessed, {"auto", nil}}); err != nil {
			return err
		}
	}
	return nil
}

// runPrediction gives the answer to be expected along, or another one. Of the
// copy the prompt says the answer too; of the story nothing but the prediction does.
func runPrediction(ctx context.Context, e *Env) error {
	for _, t := range tasks(Rand(e.Seed, 0, e.Index, fmt.Sprintf("tasks/%d", e.Start))) {
		if t.name != "copy" && t.name != "story" {
			continue
		}
		res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: User(t.prompt), MaxTokens: e.Tokens, Extra: way{"before", unguessed.extra}.fields()})
		if err != nil {
			return err
		}
		predict := func(text string) map[string]any {
			return map[string]any{"prediction": map[string]any{"type": "content", "content": text}}
		}
		wrong := strings.Repeat("Nothing of this will ever be said in the answer to come. ", 8)
		ways := []way{unguessed, {"none", nil}, {"right", predict(res.Text)}, {"wrong", predict(wrong)}}
		if err := e.turnwise(ctx, t.name, []string{t.prompt}, ways); err != nil {
			return err
		}
	}
	return nil
}
