package dialogue

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"repartee/inference"
	"repartee/inference/llama"
)

func TestTextPlaces(t *testing.T) {
	f := func(rendered, marked string, texts []string, want ...int) {
		t.Helper()
		marks := []string{"(1)", "(2)", "(3)"}
		if got := textPlaces(rendered, marked, texts, marks[:len(texts)]); !slices.Equal(got, want) {
			t.Errorf("textPlaces(%q, %q, %q) = %v, want %v", rendered, marked, texts, got, want)
		}
	}
	f("S|U:user|A:x|U:U:|", "S|U:(1)|A:x|U:(2)|", []string{"user", "U:"}, 4, 15)
	f("S|U:a|U:b|", "S|U:(1)|U:(2)|", []string{" a\n", "b"}, 4, 8) // trimmed
	f("S|U: a|U:b|", "S|U:(1)|U:(2)|", []string{" a", "b"}, 4, 9)
	f("S|U:A|U:b|", "S|U:(1)|U:(2)|", []string{"a", "b"}) // the template writes it otherwise
	f("S|U:a|U:b|", "S|U:(1)|U:2|", []string{"a", "b"}, 4)
	f("S|T:a|U:b|", "S|U:(1)|U:(2)|", []string{"a", "b"})
}

// TestRealTemplatesShowTheirTurns finds the users' texts in what real models'
// templates make of a conversation: what is left when turns are taken out of the
// tokens must be what the template makes of the messages that stay.
func TestRealTemplatesShowTheirTurns(t *testing.T) {
	if os.Getenv("REPARTEE_E2E") == "" {
		t.Skip("set REPARTEE_E2E=1 to run with real models")
	}
	dir := os.Getenv("REPARTEE_CACHE")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(cache, "repartee")
	}
	for _, file := range []string{"SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"} {
		path := filepath.Join(dir, "models", file)
		if _, err := os.Stat(path); err != nil {
			t.Logf("%v: left out", err)
			continue
		}
		e, err := inference.Load(inference.LoadConfig{Config: inference.Config{Name: file, Cells: 512, Parallel: 1}, Path: path, KVType: "auto"})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		texts := []string{"Hello there.", "user", "Why?\n ", "Grüße, 日本"}
		messages := []llama.Message{{Role: "system", Content: "Be brief."}}
		for i, text := range texts {
			messages = append(messages, llama.Message{Role: "user", Content: text}, llama.Message{Role: "assistant", Content: fmt.Sprintf("answer %d", i)})
		}
		messages = messages[:len(messages)-1]
		for _, head := range []int{0, 1} {
			run := &Run{service: New(nil), engine: e, messages: messages[head:]}
			req := &inference.Request{}
			if err := run.tokenize(req); err != nil {
				t.Logf("%s: %v", file, err) // a model without a template of its own
				break
			}
			places := run.places(req.Prompt)
			if len(places) != len(texts) {
				t.Errorf("%s: places = %v in %q, want %d of them", file, places, run.rendered.Prompt, len(texts))
				continue
			}
			for k := 1; k < len(texts); k++ {
				rest := &Run{service: run.service, engine: e, messages: slices.Concat(messages[head:1], messages[1+2*k:])}
				want := &inference.Request{}
				if err := rest.tokenize(want); err != nil {
					t.Fatal(err)
				}
				if got := slices.Concat(req.Prompt[:places[0]], req.Prompt[places[k]:]); !slices.Equal(got, want.Prompt) {
					t.Errorf("%s: without %d turns: %q, the template makes %q of the rest", file, k, e.Detokenize(got), strings.TrimSpace(rest.rendered.Prompt))
				}
			}
		}
	}
}
