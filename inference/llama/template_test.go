package llama

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// vocabulary is a model of its own with only a vocabulary of the tree.
func vocabulary(tb testing.TB, name string) *Model {
	tb.Helper()
	m, err := LoadModel(ModelParams{Path: sourcePath(tb, "models", "ggml-vocab-"+name+".gguf"), VocabOnly: true})
	if errors.Is(err, ErrNotBuilt) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	return m
}

func templateSource(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(sourcePath(tb, "models", "templates", name))
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

var conversation = []Message{
	{Role: "system", Content: "Be brief."},
	{Role: "user", Content: "Hi"},
	{Role: "assistant", Content: "Hello!"},
	{Role: "user", Content: "Bye"},
}

// The published formats, written out by hand.
func TestPublishedFormats(t *testing.T) {
	today := time.Now().Format("02 Jan 2006")
	f := func(name string, m *Model, want string) {
		t.Helper()
		for _, full := range []bool{false, true} {
			r, err := m.Render(TemplateInput{Messages: conversation, full: full})
			if i := m.Info(); i.AddBOS && strings.Contains(want, string(m.Piece(i.BOS, true))) {
				r.Prompt = string(m.Piece(i.BOS, true)) + r.Prompt // the tokenizer's part
			}
			if err != nil || r.Prompt != want {
				t.Errorf("%s, full path %v: Render = %q, %v\nwant %q", name, full, r.Prompt, err, want)
			}
			if r.Grammar != nil {
				t.Errorf("%s: a plain conversation implies a grammar", name)
			}
		}
	}
	f("ChatML (SmolLM2)", defaultModel(t), "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"+
		"<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n")
	f("Phi-3", withTemplate(t, vocabulary(t, "phi-3"), templateSource(t, "microsoft-Phi-3.5-mini-instruct.jinja")),
		"<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n<|user|>\nBye<|end|>\n<|assistant|>\n")
	f("Qwen 2.5", withTemplate(t, vocabulary(t, "qwen2"), templateSource(t, "Qwen-Qwen2.5-7B-Instruct.jinja")),
		"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"+
			"<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n")
	f("Llama 3.1", withTemplate(t, vocabulary(t, "llama-bpe"), templateSource(t, "meta-llama-Llama-3.1-8B-Instruct.jinja")),
		"<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: "+today+
			"\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"+
			"<|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|>"+
			"<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
	f("Gemma 2", withTemplate(t, vocabulary(t, "llama-spm"), strings.ReplaceAll(templateSource(t, "google-gemma-2-2b-it.jinja"), "{{ bos_token }}", "")),
		"<start_of_turn>user\nBe brief.\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n")
}

// TestOneBOS: where the vocabulary adds a BOS, the template's own is taken away;
// where it does not, the template's stays. Tokenized, there is exactly one.
func TestOneBOS(t *testing.T) {
	f := func(vocab, template string) {
		t.Helper()
		m := withTemplate(t, vocabulary(t, vocab), template)
		info := m.Info()
		for _, full := range []bool{false, true} {
			r, err := m.Render(TemplateInput{Messages: conversation[1:], full: full})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			toks := tokenize(t, m, r.Prompt)
			for _, tok := range toks {
				if tok == info.BOS {
					n++
				}
			}
			if n != 1 || toks[0] != info.BOS {
				t.Errorf("%s (adds BOS: %v), full path %v: %d BOS in the tokens of %q, want one, first", vocab, info.AddBOS, full, n, r.Prompt)
			}
		}
	}
	simple := "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
	f("llama-spm", simple)
	f("llama-bpe", templateSource(t, "meta-llama-Llama-3.1-8B-Instruct.jinja"))
	f("llama-bpe", simple)
	f("command-r", simple)
}

// TestShortPathEqualsFull renders conversations with every template of the tree
// both ways.
func TestShortPathEqualsFull(t *testing.T) {
	m := vocabulary(t, "llama-bpe")
	files, _ := filepath.Glob(filepath.Join(sourcePath(t, "models", "templates"), "*.jinja"))
	if len(files) < 50 {
		t.Fatalf("%d templates in the tree, want 50 or more", len(files))
	}
	talks := [][]Message{
		conversation, conversation[1:], conversation[1:2], conversation[:2],
		{{Role: "developer", Content: "Be brief."}, {Role: "user", Content: "Hi {{ x }} <|im_end|>\n\n"}},
		{{Role: "user", Content: ""}},
		{{Role: "user", Content: "a"}, {Role: "assistant", Content: "<think>x</think>b"}, {Role: "user", Content: "Grüße 世界"}},
		{{Role: "user", Content: "a"}, {Role: "user", Content: "b"}},
		{{Role: "system", Content: "only"}},
		{{Role: "user", Content: "a"}, {Role: "assistant", Content: "b"}},
		{{Role: "user", Content: "a"}, {Role: "system", Content: "s"}, {Role: "user", Content: "c"}},
	}
	for _, file := range files {
		b, _ := os.ReadFile(file)
		withTemplate(t, m, string(b))
		for i, talk := range talks {
			for _, quiet := range []bool{false, true} {
				full, fullErr := m.Render(TemplateInput{Messages: talk, DisableThinking: quiet, full: true})
				got, err := m.Render(TemplateInput{Messages: talk, DisableThinking: quiet})
				if (err == nil) != (fullErr == nil) {
					t.Errorf("%s, talk %d: errors %v and %v", filepath.Base(file), i, err, fullErr)
				} else if got.Prompt != full.Prompt || got.Parser != full.Parser || strings.Join(got.Stops, "|") != strings.Join(full.Stops, "|") {
					t.Errorf("%s, talk %d, thinking off %v: short path\n%q, parser of %d bytes, stops %q\nwant\n%q, %d, %q", filepath.Base(file), i, quiet,
						got.Prompt, len(got.Parser), got.Stops, full.Prompt, len(full.Parser), full.Stops)
				}
			}
		}
	}
}

func TestTemplateErrors(t *testing.T) {
	m := defaultModel(t)
	f := func(name string, m *Model, in TemplateInput, want error) {
		t.Helper()
		if _, err := m.Render(in); !errors.Is(err, want) {
			t.Errorf("Render(%s) = %v, want %v", name, err, want)
		}
	}
	user := []Message{{Role: "user", Content: "a"}}
	f("unknown role", m, TemplateInput{Messages: []Message{{Role: "wizard", Content: "a"}}}, ErrTemplate)
	f("empty role", m, TemplateInput{Messages: []Message{{Content: "a"}}}, ErrTemplate)
	f("17 MiB", m, TemplateInput{Messages: []Message{{Role: "user", Content: strings.Repeat("a", 17<<20)}}}, ErrTemplate)
	f("bad tool", m, TemplateInput{Messages: user, Tools: []Tool{{Name: "f", Parameters: "{"}}}, ErrSchema)
	f("deep tool", m, TemplateInput{Messages: user, Tools: []Tool{{Name: "f", Parameters: strings.Repeat(`{"a":`, 1e5)}}}, ErrSchema)
	f("bad arguments", m, TemplateInput{Messages: append(user, Message{Role: "assistant", ToolCalls: []ToolCall{{Name: "f", Arguments: "nope"}}})}, ErrTemplate)
	f("bad schema", m, TemplateInput{Messages: user, JSONSchema: "{"}, ErrSchema)
	f("deep schema", m, TemplateInput{Messages: user, JSONSchema: strings.Repeat(`[`, 1e6)}, ErrSchema)
	f("nothing to continue", m, TemplateInput{Messages: user, ContinueFinal: true}, ErrTemplate)
	f("raise_exception", withTemplate(t, vocabulary(t, "phi-3"), "{% if messages|length > 1 %}{{ raise_exception('too many') }}{% endif %}x"),
		TemplateInput{Messages: conversation}, ErrTemplate)

	one := m.Info()
	if one.ChatTemplate == "" {
		t.Error("no template")
	}
	v := vocabulary(t, "phi-3")
	for _, bad := range []string{"{% for %}", "{{ x", "{% if x %}", strings.Repeat("{% if x %}", 50)} {
		if err := trySetTemplate(v, bad); err == nil {
			t.Errorf("a template %.20q is taken", bad)
		}
	}
	r, err := m.Render(TemplateInput{Messages: []Message{{Role: "user", Content: "bad \xff utf-8"}}})
	if err != nil || !strings.Contains(r.Prompt, "bad \uFFFD utf-8") {
		t.Errorf("Render(bad UTF-8) = %q, %v, want U+FFFD in its place", r.Prompt, err)
	}
	if _, err := m.Render(TemplateInput{}); err != nil && !errors.Is(err, ErrTemplate) {
		t.Errorf("Render(no messages) = %v, want a prompt or ErrTemplate", err)
	}
}

var weather = Tool{Name: "get_weather", Description: "Weather of a town", Parameters: `{"type":"object","properties":{"town":{"type":"string"},"days":{"type":"integer"}},"required":["town"]}`}

func TestToolsRenderAndParse(t *testing.T) {
	m := withTemplate(t, vocabulary(t, "qwen2"), templateSource(t, "Qwen-Qwen2.5-7B-Instruct.jinja"))
	in := TemplateInput{Messages: []Message{{Role: "user", Content: "Weather in Oslo?"}}, Tools: []Tool{weather}}
	r, err := m.Render(in)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Prompt, `"name": "get_weather"`) || r.Grammar == nil || !r.Grammar.Lazy || len(r.Grammar.Triggers) == 0 || !r.Grammar.ToolCalls {
		t.Errorf("Render(tools) = %q, grammar %+v; want the tool described and a lazy grammar with triggers", r.Prompt, r.Grammar)
	}
	call := "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"town\": \"Oslo\"}}\n</tool_call>"
	out, err := m.ParseOutput(r, "Let me see. "+call, false)
	if err != nil || len(out.ToolCalls) != 1 || out.ToolCalls[0].Name != "get_weather" || strings.ReplaceAll(out.ToolCalls[0].Arguments, " ", "") != `{"town":"Oslo"}` || !strings.HasPrefix(out.Content, "Let me see.") {
		t.Errorf("ParseOutput(text and call) = %+v, %v", out, err)
	}
	for n := 1; n < len(call); n++ {
		out, err := m.ParseOutput(r, call[:n], true)
		if err != nil {
			t.Errorf("ParseOutput(%q, partial) = %v", call[:n], err)
		}
		if strings.Contains(out.Content, "<tool_call>") || len(out.ToolCalls) > 1 {
			t.Errorf("ParseOutput(%q, partial) = %+v, want no markup in the content", call[:n], out)
		}
	}
	if _, err := m.CompileGrammar(*r.Grammar, Budget{}); err != nil {
		t.Errorf("CompileGrammar(tools) = %v", err)
	}
	in.ToolChoice = ToolRequired
	if r, err = m.Render(in); err != nil || r.Grammar == nil || r.Grammar.Lazy {
		t.Errorf("Render(required) = grammar %+v, %v; want one that binds from the start", r.Grammar, err)
	}
	in.ToolChoice = ToolNone
	if r, err = m.Render(in); err != nil || r.Grammar != nil {
		t.Errorf("Render(none) = grammar %+v, %v; want none", r.Grammar, err)
	}
	in.Messages = append(in.Messages, Message{Role: "assistant", ToolCalls: []ToolCall{{ID: "c1", Name: "get_weather", Arguments: `{"town":"Oslo"}`}}},
		Message{Role: "tool", ToolCallID: "c1", Name: "get_weather", Content: "4 °C"})
	if r, err = m.Render(in); err != nil || !strings.Contains(r.Prompt, "<tool_response>\n4 °C\n</tool_response>") {
		t.Errorf("Render(tool result) = %q, %v", r.Prompt, err)
	}
}

func TestReasoningIsTakenApart(t *testing.T) {
	m := withTemplate(t, vocabulary(t, "qwen2"), templateSource(t, "Qwen-Qwen3-0.6B.jinja"))
	r, err := m.Render(TemplateInput{Messages: conversation[1:2]})
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.ParseOutput(r, "<think>\nHm.\n</think>\n\nHello!", false)
	if err != nil || strings.TrimSpace(out.Reasoning) != "Hm." || strings.TrimSpace(out.Content) != "Hello!" {
		t.Errorf("ParseOutput = %+v, %v, want reasoning Hm. and content Hello!", out, err)
	}
	out, err = m.ParseOutput(r, "<think>\nHm", true)
	if err != nil || strings.TrimSpace(out.Reasoning) != "Hm" || out.Content != "" {
		t.Errorf("ParseOutput(partial) = %+v, %v, want reasoning only", out, err)
	}
}

func TestSchemaAndContinuation(t *testing.T) {
	m := defaultModel(t)
	r, err := m.Render(TemplateInput{Messages: conversation, JSONSchema: `{"type":"object","properties":{"a":{"type":"integer"}}}`})
	if err != nil || r.Grammar == nil || r.Grammar.Lazy {
		t.Errorf("Render(schema) = grammar %+v, %v; want one", r.Grammar, err)
	}
	r, err = m.Render(TemplateInput{Messages: append(conversation[:2:2], Message{Role: "assistant", Content: "The answer is"}), ContinueFinal: true})
	if err != nil || !strings.HasSuffix(r.Prompt, "<|im_start|>assistant\nThe answer is") {
		t.Errorf("Render(continue) = %q, %v; want it to end in the text to go on with", r.Prompt, err)
	}
	r, err = m.Render(TemplateInput{Messages: conversation, NoGenerationPrompt: true})
	if err != nil || !strings.HasSuffix(r.Prompt, "Bye<|im_end|>\n") {
		t.Errorf("Render(no generation prompt) = %q, %v", r.Prompt, err)
	}
}

func TestRenderAndTokenizeTogether(t *testing.T) {
	m := defaultModel(t)
	want, err := m.Render(TemplateInput{Messages: conversation})
	if err != nil {
		t.Fatal(err)
	}
	tokens := len(tokenize(t, m, want.Prompt))
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range 40 {
				in := TemplateInput{Messages: conversation, full: g%4 == 0 && i%8 == 0}
				r, err := m.Render(in)
				if err != nil || r.Prompt != want.Prompt {
					t.Errorf("Render = %q, %v", r.Prompt, err)
					return
				}
				if n, err := m.Tokenize(nil, r.Prompt, true, true); err != nil || len(n) != tokens {
					t.Errorf("Tokenize = %d tokens, %v, want %d", len(n), err, tokens)
					return
				}
				if _, err := m.ParseOutput(r, "Hello", i%2 == 0); err != nil {
					t.Errorf("ParseOutput = %v", err)
				}
			}
		}()
	}
	wg.Wait()
}
