package inference

import (
	"context"
	"path/filepath"
	"testing"

	"repartee/inference/llama"
	"repartee/speculation"
	"repartee/synthetic"
)

// TestADraftModelIsUsedWhereItPays answers with draft models that cost much and
// little of their model, prints what guesses cost here and at which chance they
// would pay, and expects that the controller lets go of a draft model whose tokens
// are right too seldom for that.
func TestADraftModelIsUsedWhereItPays(t *testing.T) {
	path := realModel(t)
	const tokens = 64
	// run answers some questions and returns the counters, what guesses cost by what
	// the engine has learned, and how many of them there were.
	run := func(draft string, force func(int) int, questions ...string) (SpeculationStats, []price, int) {
		e, err := Load(LoadConfig{
			Config: Config{Name: "drafted", Cells: 2048, Parallel: 1, Speculate: SpeculateDraft, force: force},
			Path:   path, DraftPath: draft, KVType: "auto", Threads: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		drafted := 0
		for _, about := range questions {
			prompt, err := e.Tokenize("<|im_start|>user\nTell me about "+about+".<|im_end|>\n<|im_start|>assistant\n", false, true)
			if err != nil {
				t.Fatal(err)
			}
			s, err := e.Submit(context.Background(), &Request{Prompt: prompt, MaxTokens: tokens, Sampling: llama.SamplingParams{Logprobs: -1, TopP: 1, IgnoreEOG: true}})
			if err != nil {
				t.Fatal(err)
			}
			_, res, err := collect(s)
			if err != nil {
				t.Fatal(err)
			}
			drafted += res.Timings.Drafted
		}
		var table []price
		if err := e.errand(func() { table = e.sched.prices(96) }); err != nil {
			t.Fatal(err)
		}
		return e.Stats().Speculation, table, drafted
	}
	f := func(name, draft string) {
		t.Helper()
		n := 0
		always, table, _ := run(draft, func(most int) int { n++; return min(most, 1+n%4) }, "rivers", "bread") // of every depth, to learn
		first := always.ByPlace[speculation.Draft][0]
		if first.Drafted < 20 {
			t.Fatalf("%s: %d guesses, this test wants more", name, first.Drafted)
		}
		chance := float64(first.Accepted) / float64(first.Drafted)
		t.Logf("%s: the first token is right in %.2f of %d", name, chance, first.Drafted)
		pays := false
		for _, p := range table {
			t.Logf("%2d guesses: step %6.1f ms, drafting %6.1f ms, %.2f times as fast when all are right, break-even chance %.2f", p.guesses, ms(p.step), ms(p.draft), p.best, p.even)
			pays = pays || p.guesses > 0 && p.even < chance+0.05
		}
		_, _, drafted := run(draft, nil, "horses", "maps", "glass", "tea")
		t.Logf("%s: left to itself, the controller took %d guesses for %d tokens", name, drafted, 4*tokens)
		if !pays && drafted > tokens {
			t.Errorf("%s: %d guesses for %d tokens, want few: no depth pays at a chance of %.2f", name, drafted, 4*tokens, chance)
		}
	}
	half := filepath.Join(t.TempDir(), "half.gguf")
	if err := llama.Prune(path, half, []int{8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22}, nil); err != nil {
		t.Fatal(err)
	}
	f("half of the layers", half)
	f("all layers with Q4_0 weights", requantized(t))
	f("a random EAGLE-3 head of 8192 tokens", randomHead(t))
}

// randomHead is an EAGLE-3 head of the real model's size that is always wrong, its
// weights in 8 bits as people run them.
func randomHead(t *testing.T) string {
	t.Helper()
	data, err := synthetic.EAGLE3Of(realModel(t), 8192, 1)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "head.gguf")
	if err := llama.Quantize(writeModel(t, data), path, "Q8_0", 0, nil); err != nil {
		t.Fatal(err)
	}
	return path
}
