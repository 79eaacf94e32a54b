package dialogue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"repartee/dialogue"
	"repartee/dialogue/dialoguetest"
	"repartee/inference"
	"repartee/inference/llama"
)

// small is a context of 400 tokens.
func small(_ *dialoguetest.Model, _ *dialoguetest.Context, cfg *inference.Config) { cfg.Cells = 400 }

// talk is a conversation of n questions of 40 bytes, with answers but for the last.
func talk(n int) []llama.Message {
	m := []llama.Message{{Role: "system", Content: "sys"}}
	for i := range n {
		m = append(m, llama.Message{Role: "user", Content: fmt.Sprintf("say %02d", i) + strings.Repeat("x", 34)}, llama.Message{Role: "assistant", Content: "fine"})
	}
	return m[:len(m)-1]
}

// first is the first user's text that the prompt of the last turn was made of.
func first(set *dialoguetest.Set) string {
	for in, i := set.Model.Inputs(), len(set.Model.Inputs())-1; i >= 0; i-- {
		for _, m := range in[i].Messages {
			if m.Role == "user" && strings.HasPrefix(m.Content, "say") {
				return m.Content[:6]
			}
		}
	}
	return ""
}

func TestOldTurnsAreDropped(t *testing.T) {
	s, set := newService(t, small)
	var long *inference.PromptTooLongError
	if _, err := s.Start(context.Background(), dialogue.Turn{Messages: talk(30)}); !errors.As(err, &long) || long.Context != 400 {
		t.Fatalf("without a shift: %v, want PromptTooLongError", err)
	}
	s.SetContextShift(true)
	off := false
	if _, err := s.Start(context.Background(), dialogue.Turn{Messages: talk(30), ContextShift: &off}); !errors.As(err, &long) {
		t.Fatalf("with the shift off: %v, want PromptTooLongError", err)
	}
	// A conversation that grows begins at the same turn for a while, so that it is
	// found in the cache.
	starts := map[string]int{}
	cached := 0
	for n := 2; n < 40; n++ {
		res := ask(t, s, dialogue.Turn{Messages: talk(n), MaxTokens: 50})
		if want := fmt.Sprintf("%02d", n-1) + strings.Repeat("x", 34); res.Text != want {
			t.Fatalf("%d turns: answer %q, want %q", n, res.Text, want)
		}
		if (res.ShiftedTokens > 0) != (first(set) != "say 00") || res.PromptTokens >= 400 {
			t.Fatalf("%d turns, the first is %s: %+v", n, first(set), res.Result)
		}
		starts[first(set)]++
		cached += res.CachedTokens * 100 / res.PromptTokens
	}
	if len(starts) < 3 || len(starts) > 14 {
		t.Errorf("38 growing prompts begin with %v, want a few beginnings", starts)
	}
	if cached/38 < 50 {
		t.Errorf("%d %% of the prompts were cached, want half or more", cached/38)
	}
}

func TestALongQuestionIsShortened(t *testing.T) {
	s, _ := newService(t, small)
	s.SetContextShift(true)
	res := ask(t, s, dialogue.Turn{Messages: []llama.Message{{Role: "system", Content: "sys"}, {Role: "user", Content: strings.Repeat("abcdefghij", 90) + "say end"}}, MaxTokens: 20})
	if res.ShiftedTokens < 500 || res.PromptTokens+res.ShiftedTokens < 900 || !strings.HasPrefix(res.Text, "You said: ") {
		t.Fatalf("a question of 900 tokens: %q %+v, want an answer to its end", res.Text, res.Result)
	}
	res = ask(t, s, dialogue.Turn{Prompt: strings.Repeat("abcdefghij", 90), MaxTokens: 20})
	if res.ShiftedTokens == 0 || res.PromptTokens+res.ShiftedTokens != 900 || !strings.HasPrefix(res.Text, "ABCD") {
		t.Fatalf("a raw prompt of 900 tokens: %q %+v, want its first four tokens and its end", res.Text, res.Result)
	}
	// What a later turn goes on from fits too.
	run, err := s.Start(context.Background(), dialogue.Turn{Messages: said("x"), Before: make([]inference.Token, 900), Context: true, MaxTokens: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	if _, _, err := run.Collect(context.Background()); err != nil {
		t.Fatal(err)
	}
	if tokens, err := run.Context(); err != nil || len(tokens) > 400 {
		t.Fatalf("Context = %d tokens (%v), want fewer than 400", len(tokens), err)
	}
}

func TestAnAnswerGoesOn(t *testing.T) {
	s, _ := newService(t, small, func(m *dialoguetest.Model, _ *dialoguetest.Context, _ *inference.Config) {
		m.Reply = func(string) string { return strings.Repeat("abcdefghijklmnopqrstuvwxyz", 100) }
	})
	on, keep := true, 0
	f := func(turn dialogue.Turn, wantTokens int, shifted bool) dialogue.Result {
		t.Helper()
		res := ask(t, s, turn)
		if res.CompletionTokens != wantTokens || len(res.Text) != wantTokens || (res.ShiftedTokens > 0) != shifted || res.Finish != inference.FinishLength {
			t.Fatalf("%+v: %d bytes, %+v; want %d tokens", turn, len(res.Text), res.Result, wantTokens)
		}
		return res
	}
	prompt := f(dialogue.Turn{Messages: talk(3), MaxTokens: 5}, 5, false).PromptTokens
	f(dialogue.Turn{Messages: talk(3), MaxTokens: 1000}, 400-prompt, false)
	f(dialogue.Turn{Messages: talk(3), MaxTokens: 1000, ContextShift: &on}, 1000, true)
	f(dialogue.Turn{Messages: talk(3), MaxTokens: 1000, ContextShift: &on, ContextKeep: &keep}, 1000, true)
	all := -1
	f(dialogue.Turn{Messages: talk(3), MaxTokens: 1000, ContextShift: &on, ContextKeep: &all}, 1000, true)
	keep = 301
	var field *dialogue.FieldError
	if _, err := s.Start(context.Background(), dialogue.Turn{Messages: talk(3), ContextShift: &on, ContextKeep: &keep}); !errors.As(err, &field) || field.Field != "context_keep" || !strings.Contains(err.Error(), "at most 300") {
		t.Fatalf("context_keep 301 of 400: %v, want an error that says 300", err)
	}
}
