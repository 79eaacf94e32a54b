package inference

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"repartee/inference/llama"
	"repartee/speculation"
)

// A head that cannot read a step begins anew; one that fails again and again is asked
// no more, and the answers are the model's all the same.
func TestAHeadThatFails(t *testing.T) {
	f := func(name string, lose func(step int) bool, gone bool) {
		t.Helper()
		var log bytes.Buffer
		second := &fakeModel{vocab: 20}
		b := newBench(4096, Config{
			Parallel: 1, Speculate: SpeculateDraft, Draft: &DraftModel{Head: llama.Head{Kind: llama.EAGLE3, Most: 4}},
			Log: slog.New(slog.NewTextHandler(&log, nil)), force: func(n int) int { return n },
		}, func(c *fakeContext) { c.head, c.blind, c.lose = second, map[llama.SeqID]bool{}, lose })
		prompt := tokens("a prompt")
		got, _, err := b.ask(context.Background(), &Request{Prompt: prompt, MaxTokens: 60})
		if want := b.model.generate(prompt, 60); err != nil || got != want {
			t.Errorf("%s: answer = %q, %v, want %q", name, got, err, want)
		}
		d := b.sched.guess.model.(*headDrafter)
		is, reads := false, false
		if err := b.errand(func() { is, reads = d.gone, d.on }); err != nil {
			t.Fatal(err)
		}
		b.Close()
		if is != gone || reads == gone || strings.Contains(log.String(), "not used any more") != gone {
			t.Errorf("%s: given up: %v, reads: %v, want %v and %v; log:\n%s", name, is, reads, gone, !gone, log.String())
		}
		if !gone && b.Stats().Speculation.Accepted[speculation.Draft] == 0 {
			t.Errorf("%s: no guess is right, want many", name)
		}
	}
	f("never", nil, false)
	f("now and then", func(step int) bool { return step%4 == 1 }, false)
	f("always", func(int) bool { return true }, true)
}
