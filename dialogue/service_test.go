package dialogue_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"repartee/dialogue"
	"repartee/dialogue/dialoguetest"
	"repartee/inference"
	"repartee/inference/llama"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newService(t *testing.T, options ...dialoguetest.Option) (*dialogue.Service, *dialoguetest.Set) {
	t.Helper()
	set := dialoguetest.New([]string{"echo"}, options...)
	t.Cleanup(set.Close)
	return dialogue.New(set), set
}

func said(text string) []llama.Message { return []llama.Message{{Role: "user", Content: text}} }

// ask runs a turn to its end.
func ask(t *testing.T, s *dialogue.Service, turn dialogue.Turn) dialogue.Result {
	t.Helper()
	run, err := s.Start(context.Background(), turn)
	if err != nil {
		t.Fatalf("Start(%+v): %v", turn, err)
	}
	defer run.Close()
	res, _, err := run.Collect(context.Background())
	if err != nil {
		t.Fatalf("Collect: %v", err)
	}
	return res
}

func TestAConversationIsKept(t *testing.T) {
	s, set := newService(t)
	if got := ask(t, s, dialogue.Turn{Session: "a", System: "be kind", Messages: said("one")}).Text; got != "You said: one" {
		t.Fatalf("first answer = %q, want %q", got, "You said: one")
	}
	ask(t, s, dialogue.Turn{Session: "a", Messages: said("two")})
	ask(t, s, dialogue.Turn{Session: "b", Messages: said("other")})
	last := set.Model.Inputs()[1].Messages
	var got []string
	for _, m := range last {
		got = append(got, m.Role+":"+m.Content)
	}
	if want := "system:be kind user:one assistant:You said: one user:two"; strings.Join(got, " ") != want {
		t.Errorf("the second turn was rendered from %q, want %q", got, want)
	}
	if _, err := s.History("tenant", "a"); err == nil {
		t.Error("another namespace sees the conversation")
	}
	history, err := s.History("", "a")
	if err != nil || len(history) != 5 {
		t.Errorf("History = %d messages (%v), want 5", len(history), err)
	}
	if err := s.Forget("", "a"); err != nil {
		t.Errorf("Forget: %v", err)
	}
	var unknown *dialogue.UnknownSessionError
	if err := s.Forget("", "a"); !errors.As(err, &unknown) {
		t.Errorf("Forget again: %v, want UnknownSessionError", err)
	}
}

func TestWhatWasNotHeardIsNotKept(t *testing.T) {
	s, _ := newService(t)
	run, err := s.Start(context.Background(), dialogue.Turn{Session: "a", Messages: said("say one two three")})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = run.Next(context.Background())
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	run.Revise("one two")
	run.Close()
	h, err := s.History("", "a")
	if err != nil || len(h) != 2 || h[1].Content != "one two" {
		t.Fatalf("History = %+v (%v), want what was heard", h, err)
	}
	run, err = s.Start(context.Background(), dialogue.Turn{Session: "b", Messages: said("x")})
	if err != nil {
		t.Fatal(err)
	}
	run.Discard()
	if _, err := s.History("", "b"); err == nil {
		t.Error("a discarded turn was kept")
	}
}

func TestALongConversationForgetsItsBeginning(t *testing.T) {
	s, set := newService(t, func(_ *dialoguetest.Model, _ *dialoguetest.Context, cfg *inference.Config) { cfg.Cells = 400 })
	for range 12 {
		ask(t, s, dialogue.Turn{Session: "a", System: "sys", MaxTokens: 40, Messages: said("say " + strings.Repeat("x", 30))})
	}
	inputs := set.Model.Inputs()
	last := inputs[len(inputs)-1].Messages
	if last[0].Role != "system" || last[1].Role != "user" || len(last) >= 23 {
		t.Fatalf("the last turn was rendered from %d messages, %s and %s first; want fewer than all, the system prompt and a user's first", len(last), last[0].Role, last[1].Role)
	}
}

func TestStartNamesTheField(t *testing.T) {
	s, _ := newService(t)
	f := func(field string, turn dialogue.Turn) {
		t.Helper()
		_, err := s.Start(context.Background(), turn)
		var e *dialogue.FieldError
		if !errors.As(err, &e) || e.Field != field {
			t.Errorf("Start(%+v): %v, want an error about %s", turn, err, field)
		}
	}
	f("mode", dialogue.Turn{Mode: "slow", Messages: said("x")})
	f("prompt", dialogue.Turn{PromptTokens: []inference.Token{1, 1000}})
	f("context", dialogue.Turn{Prompt: "x", Before: []inference.Token{-1}})
	f("prompt", dialogue.Turn{})
	var unknown *dialogue.UnknownModelError
	if _, err := s.Start(context.Background(), dialogue.Turn{Model: "none", Messages: said("x")}); !errors.As(err, &unknown) {
		t.Errorf("Start with an unknown model: %v, want UnknownModelError", err)
	}
	var long *inference.PromptTooLongError
	if _, err := s.Start(context.Background(), dialogue.Turn{Prompt: strings.Repeat("x", 1<<16)}); !errors.As(err, &long) {
		t.Errorf("Start with a prompt as long as the context: %v, want PromptTooLongError", err)
	}
}

func TestAPreparedTurnIsReadAhead(t *testing.T) {
	s, _ := newService(t)
	ask(t, s, dialogue.Turn{Session: "a", System: "sys", Messages: said("one")})
	var prepared *dialogue.Preparation
	for _, typed := range []string{"what", "what is the cap", "what is the largest", "what is the largest town of all?"} {
		var err error
		if prepared, err = s.Prepare(context.Background(), dialogue.Turn{Session: "a", Messages: said(typed)}, prepared); err != nil {
			t.Fatalf("Prepare(%q): %v", typed, err)
		}
		if err := prepared.Wait(context.Background()); err != nil {
			t.Fatalf("Wait: %v", err)
		}
	}
	res := ask(t, s, dialogue.Turn{Session: "a", Messages: said("what is the largest town of all?")})
	if res.Text != "You said: what is the largest town of all?" || res.CachedTokens != prepared.Tokens() {
		t.Errorf("the turn = %q with %d cached tokens, want all %d prepared", res.Text, res.CachedTokens, prepared.Tokens())
	}
	if left := res.PromptTokens - res.CachedTokens; left > 20 {
		t.Errorf("%d of %d tokens were left to read, want the template's end alone", left, res.PromptTokens)
	}
	if _, err := s.Prepare(context.Background(), dialogue.Turn{Prompt: "x"}, nil); err == nil {
		t.Error("Prepare without messages was taken")
	}
}
