package inference

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"repartee/inference/llama"
)

// TestGuessesChangeNoRealAnswer compares answers with guesses of random depth to
// those without, alone and in company: greedy, sampled with a seed, with
// penalties, log-probabilities, a schema and a stop string.
func TestGuessesChangeNoRealAnswer(t *testing.T) {
	path := realModel(t)
	rng := rand.New(rand.NewPCG(5, 6))
	e, err := Load(LoadConfig{Config: Config{Name: "guess", Cells: 8192, Parallel: 6, Deterministic: true, force: func(n int) int { return rng.IntN(n + 1) }}, Path: path, KVType: "auto", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	schema, err := e.CompileGrammar(llama.GrammarSpec{Schema: `{"type":"array","items":{"type":"object","properties":{"name":{"type":"string","maxLength":8},"age":{"type":"integer","maximum":99}},"required":["name","age"]},"minItems":3,"maxItems":6}`})
	if err != nil {
		t.Fatal(err)
	}
	const text = "The harbour was built in 1874 by an engineer. It has two stone piers, each 310 metres long, and a lighthouse with a white and red tower."
	asks := []string{"Repeat this text word for word, three times: " + text, "Count from one to forty.", "Write a list of people with their ages as JSON."}
	request := func(i int, off bool) *Request {
		prompt, err := e.Tokenize("<|im_start|>user\n"+asks[i%len(asks)]+"<|im_end|>\n<|im_start|>assistant\n", false, true)
		if err != nil {
			t.Error(err)
		}
		r := &Request{Prompt: prompt, MaxTokens: 96, Sampling: llama.SamplingParams{Logprobs: -1, TopP: 1}}
		switch i / len(asks) {
		case 1:
			r.Sampling.Temperature, r.Sampling.TopK, r.Sampling.Seed = 0.7, 40, uint32(i)
		case 2:
			r.Sampling.RepeatPenalty, r.Sampling.FrequencyPenalty = 1.1, 0.1
		case 3:
			r.Sampling.Logprobs = 2
		case 4:
			r.Sampling.Grammar = schema
		case 5:
			r.Stop = []string{"stone p", "Eleven", "age"}
		}
		if off {
			r.Speculate = SpeculateOff
		}
		return r
	}
	type answer struct {
		text string
		res  Result
	}
	ask := func(i int, off bool) answer {
		s, err := e.Submit(context.Background(), request(i, off))
		if err != nil {
			t.Errorf("Submit(%d) = %v", i, err)
			return answer{}
		}
		got, res, err := collect(s)
		if err != nil {
			t.Errorf("request %d: %v", i, err)
		}
		return answer{got, res}
	}
	const n = 18
	want := make([]answer, n)
	for i := range want {
		want[i] = ask(i, true)
	}
	accepted := 0
	same := func(how string, i int, got answer) {
		if got.text != want[i].text || got.res.Finish != want[i].res.Finish || got.res.CompletionTokens != want[i].res.CompletionTokens {
			t.Errorf("%s: answer %d = %q (%+v), without guesses it is %q (%+v)", how, i, got.text, got.res, want[i].text, want[i].res)
		}
	}
	for i := range want {
		got := ask(i, false)
		same("alone", i, got)
		accepted += got.res.Timings.Accepted
	}
	var all sync.WaitGroup
	for i := range want {
		all.Go(func() { same("in company", i, ask(i, false)) })
	}
	all.Wait()
	if accepted < 200 {
		t.Errorf("%d guesses were right, want many", accepted)
	}
	t.Logf("%d right guesses", accepted)
}
