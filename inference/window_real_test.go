package inference

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"repartee/inference/llama"
)

// TestSlidingWindowsAreServed has Gemma 3, whose layers but every sixth see 512
// tokens, answer prompts shorter and longer than that: alone in a new engine each,
// in company, from the cache, and after evictions. The answers must be the same, and
// make sense.
func TestSlidingWindowsAreServed(t *testing.T) {
	path := filepath.Join(filepath.Dir(realModel(t)), "gemma-3-270m-q4_k_m.gguf")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("%v: run third_party/fetch.py gemma3-270m", err)
	}
	load := func(cfg LoadConfig) *Engine {
		t.Helper()
		cfg.Path, cfg.Name, cfg.KVType, cfg.Deterministic = path, "windows", "auto", true
		e, err := Load(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	request := func(e *Engine, i int) *Request {
		t.Helper()
		text := []string{"The capital of France is", "Bread is made of", "A clock shows", "In winter people"}[i%4]
		if i >= 3 {
			text = strings.Repeat("The town kept a book of all that was bought and sold in those years. ", 45) + text
		}
		prompt, err := e.Tokenize(text, true, false)
		if err != nil {
			t.Fatal(err)
		}
		if i >= 3 && len(prompt) <= 600 {
			t.Fatalf("prompt %d has %d tokens, want more than a window of 512", i, len(prompt))
		}
		return &Request{Prompt: prompt, MaxTokens: 10, Sampling: llama.SamplingParams{Logprobs: -1, TopP: 1}}
	}
	answer := func(e *Engine, i int) (string, Result) {
		s, err := e.Submit(t.Context(), request(e, i))
		if err != nil {
			t.Errorf("Submit(%d) = %v", i, err)
			return "", Result{}
		}
		text, res, err := collect(s)
		if err != nil {
			t.Errorf("request %d = %v", i, err)
		}
		return text, res
	}
	const n = 5
	var want [n]string
	for i := range want {
		e := load(LoadConfig{Config: Config{Cells: 2048, Parallel: 1}, Threads: 2})
		if w := e.Info().SlidingWindow; w == 0 {
			t.Fatal("the model has no sliding window")
		}
		want[i], _ = answer(e, i)
		e.Close()
	}
	if !strings.Contains(want[0], "of France") {
		t.Errorf("the capital of France is %q, want words about it", want[0])
	}
	f := func(name string, cells, at, threads, rounds int) {
		t.Helper()
		e := load(LoadConfig{Config: Config{Cells: cells, Parallel: at}, Threads: threads})
		defer e.Close()
		for round := range rounds {
			cached := 0
			var mu sync.Mutex
			var all sync.WaitGroup
			for worker := range at {
				all.Go(func() {
					for i := worker; i < n; i += at {
						got, res := answer(e, i)
						mu.Lock()
						cached += res.CachedTokens
						mu.Unlock()
						if got != want[i] {
							t.Errorf("%s, round %d: answer %d = %q, alone it was %q", name, round, i, got, want[i])
						}
					}
				})
			}
			all.Wait()
			if round > 0 && cells > 6000 && cached < 1200 {
				t.Errorf("%s: %d tokens were cached", name, cached)
			}
		}
	}
	f("in company", 8192, 5, 1, 2)
	f("with evictions", 1280, 2, 2, 1)
}
