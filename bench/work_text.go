package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
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
		Kind: "chat", Name: "guesses", Help: "the same tasks of one server, each with guesses and without in turn: time of an answer with them over that without",
		Default: Options{Rounds: 6, Warmup: 1, Clients: 1, Tokens: 160}, Run: runGuesses,
	},
	{
		Kind: "chat", Name: "prediction", Help: "a copy and a story with predicted outputs, each way in turn: no guesses, no prediction, a right one, a wrong one",
		Default: Options{Rounds: 4, Warmup: 1, Tokens: 160}, Run: runPrediction,
	},
	{
		Kind: "chat", Name: "synthetic", Help: "a story asked for twice: of a server with --speculate-synthetic the second has guesses of that quality",
		Default: Options{Rounds: 3, Warmup: 1, Clients: 1, Tokens: 160}, Run: runSynthetic,
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

// tasks are made anew for every round: a server that remembers its answers must
// not find the same question again.
func tasks(rng *rand.Rand) []task {
	passage := LongText(rng)
	listing := make([]string, 4)
	for i := range listing {
		listing[i] = fmt.Sprintf(`{"id":%d,"name":%q,"city":%q,"active":%t}`, i+1, part(rng, names), part(rng, cities), rng.IntN(2) == 0)
	}
	return []task{
		{"copy", "Repeat the following text word for word, and nothing else:\n\n" + passage},
		{"edit", fmt.Sprintf("Repeat the following text, but write %q in the place of %q, and nothing else:\n\n%s", part(rng, cities), "harbour", passage)},
		{"json", "Continue this JSON list in the same form with ten more people, and write nothing else:\n[" + strings.Join(listing, ",") + "]"},
		{"extract", passage + "\n\nWrite down the first five sentences of this text word for word, each on a line of its own."},
		{"story", "Tell a short story in which " + clause(rng) + " " + part(rng, times) + "."},
		{"question", "Explain in plain words why " + clause(rng) + ", and what that means for the people of " + part(rng, cities) + "."},
	}
}

var (
	names  = strings.Split("Ada,Bo,Cem,Dana,Eli,Fay,Gus,Hana,Ivo,June,Kai,Lena,Milo,Nora,Otto,Pia", ",")
	cities = strings.Split("London,Oslo,Izmir,Prague,Lisbon,Riga,Turin,Ghent,Malmo,Porto,Split,Bern", ",")
)

// runSpeculation runs each task on all clients.
func runSpeculation(ctx context.Context, e *Env) error {
	for _, t := range tasks(Rand(e.Seed, 0, e.Index, "tasks")) {
		label := "@" + t.name
		crowd(e.Clients, func(client int) {
			res, err := e.generate(ctx, t.prompt, label, nil)
			if err == nil && client == 0 && e.Temperature == 0 {
				e.Text(fmt.Sprintf("%s/%02d", t.name, e.Index), res.Text)
			}
		})
	}
	return nil
}

// runSynthetic asks all clients' stories, each its own, and then the same again.
func runSynthetic(ctx context.Context, e *Env) error {
	prompts := make([]string, max(e.Clients, 1))
	for i := range prompts {
		for _, t := range tasks(Rand(e.Seed, i, e.Index, "tasks")) {
			if t.name == "story" {
				prompts[i] = t.prompt
			}
		}
	}
	for _, label := range []string{"first", "again"} {
		crowd(e.Clients, func(client int) {
			res, err := e.generate(ctx, prompts[client], "@"+label, nil)
			if err == nil && e.Temperature == 0 {
				e.Text(fmt.Sprintf("%s/%02d/%02d", label, e.Index, client), res.Text)
			}
		})
	}
	return nil
}

// generate asks one prompt, with extra fields, and records the speed of its answer.
func (e *Env) generate(ctx context.Context, prompt, label string, extra map[string]any) (ChatResult, error) {
	res, err := e.Chat(ctx, e.Target, ChatRequest{Messages: User(prompt), MaxTokens: e.Tokens, Temperature: e.Temperature, Seed: e.Seed, Extra: extra})
	if err == nil {
		e.addGeneration(res, label)
	}
	return res, err
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
