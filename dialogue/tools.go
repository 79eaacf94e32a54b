package dialogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"repartee/inference/llama"
)

// A toolbox stands in for a chat template that knows nothing of tools: it tells
// the model about them in the system prompt, writes earlier calls and their
// results as text, and reads calls out of the answer. A call is a JSON object
// {"name":…,"arguments":{…}}; a call that is required is forced by a grammar.
type toolbox struct {
	tools []llama.Tool
}

// newToolbox returns nil when the model's own template takes care of tools.
func newToolbox(engine Engine, t *Turn) *toolbox {
	if len(t.Tools) == 0 || t.ToolChoice == llama.ToolNone || strings.Contains(engine.Info().ChatTemplate, "tools") {
		return nil
	}
	return &toolbox{t.Tools}
}

// messages adds the description of the tools to the system prompt, and rewrites
// what the template could not show.
func (b *toolbox) messages(in []llama.Message) []llama.Message {
	out := make([]llama.Message, 0, len(in)+1)
	if len(in) == 0 || in[0].Role != "system" {
		out = append(out, llama.Message{Role: "system"})
	}
	for _, m := range in {
		switch {
		case m.Role == "tool":
			m = llama.Message{Role: "user", Content: "Result of " + resultOf(m) + ": " + m.Content}
		case len(m.ToolCalls) > 0:
			text := m.Content
			for _, c := range m.ToolCalls {
				text += fmt.Sprintf("{\"name\": %q, \"arguments\": %s}", c.Name, c.Arguments)
			}
			m = llama.Message{Role: "assistant", Content: text}
		}
		out = append(out, m)
	}
	out[0].Content = strings.TrimLeft(out[0].Content+"\n\n"+b.describe(), "\n")
	return out
}

func resultOf(m llama.Message) string {
	if m.Name != "" {
		return m.Name
	}
	return "the call"
}

func (b *toolbox) describe() string {
	var s strings.Builder
	s.WriteString("You can call these functions:\n")
	for _, t := range b.tools {
		fmt.Fprintf(&s, "- %s: %s Parameters: %s\n", t.Name, t.Description, compact(t.Parameters))
	}
	s.WriteString(`To call one, answer with nothing but {"name": the function's name, "arguments": its parameters}.`)
	return s.String()
}

func compact(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return text
	}
	return b.String()
}

// schema is what a required call looks like.
func (b *toolbox) schema() (string, error) {
	type object = map[string]any
	calls := make([]any, len(b.tools))
	for i, t := range b.tools {
		calls[i] = object{
			"type": "object", "required": []string{"name", "arguments"}, "additionalProperties": false,
			"properties": object{"name": object{"const": t.Name}, "arguments": json.RawMessage(t.Parameters)},
		}
	}
	schema, err := json.Marshal(object{"anyOf": calls})
	return string(schema), err
}

// parse takes a text apart. A text that may still become a call shows nothing
// while it is partial.
func (b *toolbox) parse(text string, partial bool) llama.ParsedOutput {
	body := strings.TrimSpace(text)
	for _, fence := range []string{"```json", "```"} {
		if rest, ok := strings.CutPrefix(body, fence); ok {
			body = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "```"))
			break
		}
	}
	calls := b.calls(body)
	switch {
	case calls != nil:
		return llama.ParsedOutput{ToolCalls: calls}
	case partial && (body == "" || body[0] == '{' || body[0] == '[' || strings.HasPrefix("```json", body)):
		return llama.ParsedOutput{}
	}
	return llama.ParsedOutput{Content: text}
}

// calls reads one call or a list of them; nil when the text is neither.
func (b *toolbox) calls(body string) []llama.ToolCall {
	type call struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	var many []call
	var one call
	switch {
	case json.Unmarshal([]byte(body), &one) == nil:
		many = []call{one}
	case json.Unmarshal([]byte(body), &many) != nil || len(many) == 0:
		return nil
	}
	var out []llama.ToolCall
	for _, c := range many {
		known := slices.ContainsFunc(b.tools, func(t llama.Tool) bool { return t.Name == c.Name })
		if !known || len(c.Arguments) == 0 || c.Arguments[0] != '{' {
			return nil
		}
		out = append(out, llama.ToolCall{Name: c.Name, Arguments: compact(string(c.Arguments))})
	}
	return out
}
