package inference

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"

	"repartee/inference/llama"
	"repartee/speculation"
)

// requantized is a draft model that agrees with the default one nearly always.
func requantized(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "draft.gguf")
	if err := llama.Quantize(realModel(t), out, "Q4_0", 0, nil); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGuessesChangeNoRealAnswer compares answers with guesses of random depth to
// those without, alone and in company: greedy, sampled with a seed, with
// penalties, log-probabilities, a schema and a stop string; copies alone, and
// beside a draft model.
func TestGuessesChangeNoRealAnswer(t *testing.T) {
	t.Run("copies", func(t *testing.T) { guessesChangeNothing(t, "", 0, SpeculateNgram, 1) })
	draft := requantized(t)
	t.Run("both", func(t *testing.T) { guessesChangeNothing(t, draft, 30, SpeculateAuto, 3) })
	t.Run("draft", func(t *testing.T) { guessesChangeNothing(t, draft, 30, SpeculateDraft, 3) })
	t.Run("head", func(t *testing.T) { guessesChangeNothing(t, randomHead(t), 0, SpeculateAuto, 3) })
}

// right is how many tokens of the draft model must be right at least.
func guessesChangeNothing(t *testing.T, draft string, right int64, mode Speculation, each int) {
	path := realModel(t)
	rng := rand.New(rand.NewPCG(5, 6))
	e, err := Load(LoadConfig{
		Config: Config{Name: "guess", Cells: 8192, Parallel: 6, Deterministic: true, Speculate: mode, force: func(n int) int { return rng.IntN(n + 1) }},
		Path:   path, DraftPath: draft, KVType: "auto", Threads: 2,
	})
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
	for i := each / 2; i < n; i += each {
		want[i] = ask(i, true)
	}
	accepted := 0
	same := func(how string, i int, got answer) {
		if got.text != want[i].text || got.res.Finish != want[i].res.Finish || got.res.CompletionTokens != want[i].res.CompletionTokens {
			t.Errorf("%s: answer %d = %q (%+v), without guesses it is %q (%+v)", how, i, got.text, got.res, want[i].text, want[i].res)
		}
	}
	for i := each / 2; i < n; i += each {
		got := ask(i, false)
		same("alone", i, got)
		accepted += got.res.Timings.Accepted
	}
	var all sync.WaitGroup
	for i := each / 2; i < n; i += each {
		all.Go(func() { same("in company", i, ask(i, false)) })
	}
	all.Wait()
	if accepted < 200/each {
		t.Errorf("%d guesses were right, want many", accepted)
	}
	st := e.Stats().Speculation
	if got := st.Accepted[speculation.Draft]; got < right || draft != "" && st.Drafted[speculation.Draft] < 30 {
		t.Errorf("%d of %d tokens of the draft model were right, want %d or more, of 30 or more", got, st.Drafted[speculation.Draft], right)
	}
	t.Logf("%d right guesses alone, %d of %d of the draft model in all", accepted, st.Accepted[speculation.Draft], st.Drafted[speculation.Draft])
}
