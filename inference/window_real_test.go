package inference

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
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
	const n = 5
	want := alone(t, path, n, func(e *Engine, i int) string {
		if w := e.Info().SlidingWindow; w == 0 {
			t.Fatal("the model has no sliding window")
		}
		text, _ := answerTo(t, e, i, request(e, i))
		return text
	})
	if !strings.Contains(want[0], "of France") {
		t.Errorf("the capital of France is %q, want words about it", want[0])
	}
	f := func(name string, cells, at, threads, rounds int) {
		t.Helper()
		e := steadyEngine(t, path, LoadConfig{Config: Config{Cells: cells, Parallel: at}, Threads: threads})
		defer e.Close()
		for round := range rounds {
			var cached atomic.Int64
			together(n, at, func(_, i int) {
				got, res := answerTo(t, e, i, request(e, i))
				cached.Add(int64(res.CachedTokens))
				if got != want[i] {
					t.Errorf("%s, round %d: answer %d = %q, alone it was %q", name, round, i, got, want[i])
				}
			})
			if round > 0 && cells > 6000 && cached.Load() < 1200 {
				t.Errorf("%s: %d tokens were cached", name, cached.Load())
			}
		}
	}
	f("in company", 8192, 5, 1, 2)
	f("with evictions", 1280, 2, 2, 1)
}
