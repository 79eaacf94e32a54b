package inference

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"repartee/inference/llama"
)

// TestARealAnswerOutgrowsItsContext has a real model answer far past a small
// context: the same words each time, alone and beside another stream, with guesses
// and without; and what it says behind the last shift is what a new request with the
// tokens that were left is answered.
func TestARealAnswerOutgrowsItsContext(t *testing.T) {
	smol := realModel(t)
	for name, path := range map[string]string{"llama": smol, "sliding windows": filepath.Join(filepath.Dir(smol), "gemma-3-270m-q4_k_m.gguf")} {
		if _, err := os.Stat(path); err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		size, long := 512, 900
		if name != "llama" {
			size, long = 640, 640 // past the window of 512
		}
		e, err := Load(LoadConfig{
			Config: Config{Name: "shift", Cells: size, Parallel: 2, Deterministic: true, Log: slog.New(slog.NewTextHandler(complaints{t}, &slog.HandlerOptions{Level: slog.LevelError}))},
			Path:   path, KVType: "auto", Threads: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		head, err := e.Tokenize("<|im_start|>system\nYou tell long stories.<|im_end|>\n<|im_start|>user\n", true, true)
		if err != nil {
			t.Fatal(err)
		}
		rest, err := e.Tokenize("Tell me about the sea and those who live by it.<|im_end|>\n<|im_start|>assistant\n", false, true)
		if err != nil {
			t.Fatal(err)
		}
		prompt := slices.Concat(head, rest)
		request := func(n int, guess Speculation) *Request {
			return &Request{
				Prompt: slices.Clone(prompt), MaxTokens: n, Speculate: guess, KeepSpecial: true,
				Sampling: llama.SamplingParams{Logprobs: 0, TopP: 1, IgnoreEOG: true, Temperature: 0.8, TopK: 40, Seed: 7},
				Shift:    &ContextShift{Keep: len(head), Turns: []int{len(head)}},
			}
		}
		// ask returns the tokens of the answer, and its text.
		ask := func(r *Request) ([]Token, string, Result) {
			t.Helper()
			s, err := e.Submit(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			var said []Token
			var text strings.Builder
			for {
				c, err := s.Next(t.Context())
				text.WriteString(c.Text)
				for _, i := range c.Tokens {
					said = append(said, i.Token)
				}
				if err != nil {
					return said, text.String(), s.Result()
				}
			}
		}
		said, want, res := ask(request(long, SpeculateOff))
		if res.CompletionTokens != long || res.Shifts < 1 || res.Finish != FinishLength || len(said) != long {
			t.Fatalf("%s: %+v, want %d tokens and a shift", name, res, long)
		}
		t.Logf("%s: %d shifts dropped %d tokens", name, res.Shifts, res.ShiftedTokens)
		if _, again, _ := ask(request(long, SpeculateOff)); again != want {
			t.Errorf("%s: again: %q, at first %q", name, again, want)
		}
		if _, guessed, _ := ask(request(long, SpeculateAuto)); guessed != want {
			t.Errorf("%s: with guesses: %q, without %q", name, guessed, want)
		}
		var beside sync.WaitGroup
		beside.Go(func() {
			s, err := e.Submit(t.Context(), &Request{Prompt: slices.Clone(prompt), MaxTokens: 60, Sampling: llama.SamplingParams{Logprobs: -1, TopP: 1, IgnoreEOG: true}})
			if err != nil {
				t.Error(err)
				return
			}
			if _, _, err := collect(s); err != nil {
				t.Error(err)
			}
		})
		if _, got, _ := ask(request(long, SpeculateOff)); got != want {
			t.Errorf("%s: beside another: %q, alone %q", name, got, want)
		}
		beside.Wait()
		// A greedy answer, up to the first shift and 30 tokens on.
		first := size - len(prompt)
		greedy := request(first+30, SpeculateOff)
		greedy.Sampling.Temperature = 0
		said, _, res = ask(greedy)
		if res.Shifts != 1 || len(said) != first+30 {
			t.Fatalf("%s: greedy: %+v, want one shift and %d tokens", name, res, first+30)
		}
		m := newShifting(request(0, SpeculateOff), e.ContextSize())
		before := slices.Concat(prompt, said[:first])
		old, gone := m.choose(len(before), e.ContextSize())
		left := m.drop(before, gone, old)
		fresh := request(30, SpeculateOff)
		fresh.Prompt, fresh.Shift, fresh.Sampling.Temperature = left, nil, 0
		if got, _, _ := ask(fresh); !slices.Equal(got, said[first:]) {
			t.Errorf("%s: a new request with what was left says %v, behind the shift it was %v", name, got, said[first:])
		}
		if s := e.Stats(); s.Cache.DisorderedSeqs > 0 {
			t.Errorf("%s: %d sequences out of order", name, s.Cache.DisorderedSeqs)
		}
		e.Close()
	}
}
