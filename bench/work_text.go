package bench

import (
	"context"
	"fmt"
	"strings"
)

// textWorkloads look at what is answered, not only at when.
var textWorkloads = []Workload{
	{
		Kind: "chat", Name: "determinism", Help: "greedy answers alone, from cache, in company (--clients), and against an earlier report (--reference): how many change", Exact: true,
		Default: Options{Rounds: 1, Warmup: -1, Clients: 8, Requests: 16, Prompt: 675, Tokens: 48}, Run: runDeterminism,
	},
	{
		Kind: "chat", Name: "speculation", Help: "copying, JSON and story tasks, greedy: tokens a second of each, texts compared with the peer's",
		Default: Options{Rounds: 3, Warmup: 1, Clients: 1, Tokens: 160}, Run: runSpeculation,
	},
	{
		Kind: "chat", Name: "prediction", Help: "the copying task with predicted outputs: none, right, wrong",
		Default: Options{Rounds: 3, Warmup: 1, Tokens: 160}, Run: runPrediction,
	},
}

// runDeterminism asks the same prompts, a quarter of them long, in three ways.
func runDeterminism(ctx context.Context, e *Env) error {
	prompts := make([][]Message, e.Requests)
	for i := range prompts {
		n := e.Target.Calib.User + 12 + i
		if i%4 == 3 {
			n = e.Prompt + i*13
		}
		prompts[i] = e.Target.Calib.UserPrompt(Rand(e.Seed, 0, e.Index, fmt.Sprintf("text/%d", i)), n)
	}
	ask := func(i int) (string, error) {
		res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: prompts[i], MaxTokens: e.Tokens})
		return res.Text, err
	}
	alone := make([]string, len(prompts))
	for i := range prompts {
		text, err := ask(i)
		if err != nil {
			return err
		}
		alone[i] = text
		e.Text(fmt.Sprintf("alone/%02d", i), text)
	}
	changed := func(way string, texts []string) {
		n := 0
		for i := range texts {
			if texts[i] != alone[i] {
				n++
			}
		}
		e.Add("changed@"+way, float64(n))
	}
	again := make([]string, len(prompts))
	for i := range prompts {
		var err error
		if again[i], err = ask(i); err != nil {
			return err
		}
	}
	changed("from-cache", again)
	company := make([]string, len(prompts))
	next := make(chan int, len(prompts))
	for i := range prompts {
		next <- i
	}
	close(next)
	crowd(e.Clients, func(int) {
		for i := range next {
			company[i], _ = ask(i)
		}
	})
	changed("in-company", company)
	if e.Reference == "" {
		return nil
	}
	earlier, err := ReadReference(e.Reference, e.Target.Label)
	if err != nil {
		return err
	}
	n := 0
	for i := range alone {
		text, ok := earlier[fmt.Sprintf("alone/%02d", i)]
		if !ok {
			return fmt.Errorf("bench: reference %s: no text %d; it was made with other options", e.Reference, i)
		}
		if text != alone[i] {
			n++
		}
	}
	e.Add("changed@reference", float64(n))
	return nil
}

// task is a piece of work for speculation.
type task struct{ name, prompt string }

const passage = `The harbour of Port Elen was built in 1874 by the engineer Thomas Alder. It has two stone piers, each 310 metres long,
and a lighthouse with a white and red tower. Every morning at six o'clock the fishing boats leave the harbour and sail to the north.
In the evening they come back with herring, cod and mackerel. The market hall opens at seven and closes at noon. Visitors can climb the
92 steps of the lighthouse from April to October. The museum beside it shows old maps, lamps and the first engine of the harbour railway.`

const listing = `[{"id":1,"name":"Ada","city":"London","active":true},{"id":2,"name":"Bo","city":"Oslo","active":false},{"id":3,"name":"Cem","city":"Izmir","active":true},{"id":4,"name":"Dana","city":"Prague","active":true}]`

var tasks = []task{
	{"copy", "Repeat the following text word for word, and nothing else:\n\n" + passage},
	{"json", "Continue this JSON list in the same form with ten more people, and write nothing else:\n" + listing},
	{"story", hotPrompt},
}

// runSpeculation runs each task on all clients.
func runSpeculation(ctx context.Context, e *Env) error {
	for _, t := range tasks {
		label := "@" + t.name
		crowd(e.Clients, func(client int) {
			res, err := e.Chat(ctx, e.Target, ChatRequest{
				Messages: User(t.prompt), MaxTokens: e.Tokens, Temperature: e.Temperature, Seed: e.Seed,
			})
			if err != nil {
				return
			}
			e.addGeneration(res, label)
			if client == 0 && e.Temperature == 0 {
				e.Text(t.name, res.Text)
			}
		})
	}
	return nil
}

// addGeneration records the speed of a generation without its prompt: tokens
// behind the first, by the time from the first text to the last.
func (e *Env) addGeneration(res ChatResult, label string) {
	if n := len(res.Arrivals); n > 1 && res.Completion > 1 {
		if span := res.Arrivals[n-1].Sub(res.Arrivals[0]).Seconds(); span > 0 {
			e.Add("rate"+label, float64(res.Completion-1)/span)
		}
	}
	e.Add("ttft"+label, res.TTFT())
	e.Add("completion"+label, float64(res.Completion))
	if res.Server.Drafted > 0 {
		e.Add("drafted"+label, float64(res.Server.Drafted))
		e.Add("accepted"+label, float64(res.Server.Accepted))
	}
}

// runPrediction gives the answer to be expected along, or another one.
func runPrediction(ctx context.Context, e *Env) error {
	ask := func(label, prediction string) (string, error) {
		q := ChatRequest{Messages: User(tasks[0].prompt), MaxTokens: e.Tokens}
		if prediction != "" {
			q.Extra = map[string]any{"prediction": map[string]any{"type": "content", "content": prediction}}
		}
		res, err := e.Chat(ctx, e.Target, q)
		if err == nil {
			e.addGeneration(res, "@"+label)
			e.Text(label, res.Text)
		}
		return res.Text, err
	}
	text, err := ask("none", "")
	if err != nil {
		return err
	}
	if _, err := ask("right", text); err != nil {
		return err
	}
	_, err = ask("wrong", strings.Repeat("Nothing of this will ever be said in the answer to come. ", 8))
	return err
}
