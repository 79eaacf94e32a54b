package openai

import (
	"bytes"
	"encoding/json"

	"repartee/dialogue"
	"repartee/inference/llama"
	"repartee/server/web"
)

// chatBody is the wire type of POST /v1/chat/completions.
type chatBody struct {
	samplingBody
	Messages            []Message       `json:"messages"`
	MaxCompletionTokens *int            `json:"max_completion_tokens"`
	Logprobs            *bool           `json:"logprobs"`
	TopLogprobs         *int            `json:"top_logprobs"`
	Tools               []tool          `json:"tools"`
	ToolChoice          json.RawMessage `json:"tool_choice"`
	ParallelToolCalls   *bool           `json:"parallel_tool_calls"`
	ResponseFormat      *responseFormat `json:"response_format"`
	ReasoningEffort     string          `json:"reasoning_effort"`
	Prediction          *struct {
		Content Content `json:"content"`
	} `json:"prediction"`
}

type tool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema *struct {
		Name   string          `json:"name"`
		Strict *bool           `json:"strict"`
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

// Bounds of the API.
const (
	maxChoices  = 16
	maxLogprobs = 20
)

// turn validates the body and translates it.
func (b *chatBody) turn(r *web.Request, model func(name string) (dialogue.Engine, error)) (dialogue.Turn, int, error) {
	t, n, err := b.samplingBody.turn(r, model)
	if err != nil {
		return t, 0, err
	}
	if t.Messages, err = Messages(b.Messages); err != nil {
		return t, 0, err
	}
	if m := b.MaxCompletionTokens; m != nil {
		if *m < 0 {
			return t, 0, web.Bad("max_completion_tokens", "max_completion_tokens: want 0 (the default) or more")
		}
		if *m > 0 {
			t.MaxTokens = *m
		}
	}
	t.DisableThinking = b.ReasoningEffort == "none"
	if b.TopLogprobs != nil && (*b.TopLogprobs < 0 || *b.TopLogprobs > maxLogprobs) {
		return t, 0, web.Bad("top_logprobs", "top_logprobs: want 0 … %d", maxLogprobs)
	}
	if b.Logprobs != nil && *b.Logprobs {
		t.Sampling.Logprobs = 0
		if b.TopLogprobs != nil {
			t.Sampling.Logprobs = *b.TopLogprobs
		}
	}
	if b.Prediction != nil {
		t.Prediction = string(b.Prediction.Content)
	}
	if err := b.format(&t); err != nil {
		return t, 0, err
	}
	return t, n, b.tools(&t)
}

// format translates response_format.
func (b *chatBody) format(t *dialogue.Turn) error {
	if b.ResponseFormat == nil {
		return nil
	}
	switch f := b.ResponseFormat; f.Type {
	case "", "text":
	case "json_object":
		t.Schema = `{"type":"object"}`
	case "json_schema":
		if f.JSONSchema == nil || len(bytes.TrimSpace(f.JSONSchema.Schema)) == 0 {
			return web.Bad("response_format.json_schema.schema", "response_format.json_schema.schema: want a JSON schema")
		}
		t.Schema = string(f.JSONSchema.Schema)
	default:
		return web.Bad("response_format.type", "response_format.type: %q is none of text, json_object, json_schema", f.Type)
	}
	return nil
}

// tools translates tools and tool_choice.
func (b *chatBody) tools(t *dialogue.Turn) error {
	choice, named, err := b.choice()
	if err != nil {
		return err
	}
	t.ToolChoice = choice
	if choice == llama.ToolNone {
		return nil
	}
	for _, tl := range b.Tools {
		if tl.Function.Name == "" {
			return web.Bad("tools.function.name", "tools.function.name: want the function's name")
		}
		if named != "" && tl.Function.Name != named {
			continue
		}
		params := string(tl.Function.Parameters)
		if params == "" || params == "null" {
			params = `{"type":"object","properties":{}}`
		}
		t.Tools = append(t.Tools, llama.Tool{Name: tl.Function.Name, Description: tl.Function.Description, Parameters: params})
	}
	if choice == llama.ToolRequired && len(t.Tools) == 0 {
		return web.Bad("tool_choice", "tool_choice: no such function in tools")
	}
	t.ParallelToolCalls = b.ParallelToolCalls != nil && *b.ParallelToolCalls
	return nil
}

// choice reads tool_choice: a word or a named function.
func (b *chatBody) choice() (llama.ToolChoice, string, error) {
	if len(b.ToolChoice) == 0 || string(b.ToolChoice) == "null" {
		return llama.ToolAuto, "", nil
	}
	var word string
	var named struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if json.Unmarshal(b.ToolChoice, &word) == nil {
		switch word {
		case "auto":
			return llama.ToolAuto, "", nil
		case "none":
			return llama.ToolNone, "", nil
		case "required":
			return llama.ToolRequired, "", nil
		}
	} else if json.Unmarshal(b.ToolChoice, &named) == nil && named.Function.Name != "" {
		return llama.ToolRequired, named.Function.Name, nil
	}
	return 0, "", web.Bad("tool_choice", `tool_choice: want "none", "auto", "required" or a function by name`)
}
