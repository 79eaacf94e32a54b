package ollama

import (
	"bytes"
	"encoding/json"
	"fmt"

	"repartee/dialogue"
	"repartee/inference/llama"
	"repartee/server/openai"
	"repartee/server/web"
)

// options is the wire type of "options". What is not named here is accepted
// and has no meaning: everything is resident, with one context size for all.
type options struct {
	NumPredict       *int           `json:"num_predict"`
	NumKeep          *int           `json:"num_keep"`
	Temperature      *float64       `json:"temperature"`
	TopK             *int           `json:"top_k"`
	TopP             *float64       `json:"top_p"`
	MinP             *float64       `json:"min_p"`
	TypicalP         *float64       `json:"typical_p"`
	RepeatPenalty    *float64       `json:"repeat_penalty"`
	PresencePenalty  *float64       `json:"presence_penalty"`
	FrequencyPenalty *float64       `json:"frequency_penalty"`
	Seed             *int64         `json:"seed"`
	Stop             openai.Strings `json:"stop"`
}

// common is what chat and generate share on the wire.
type common struct {
	Model     string          `json:"model"`
	Stream    *bool           `json:"stream"`
	Format    json.RawMessage `json:"format"`
	Options   *options        `json:"options"`
	KeepAlive json.RawMessage `json:"keep_alive"` // of any type
	Think     json.RawMessage `json:"think"`      // true, false or a level
	Shift     *bool           `json:"shift"`      // the context, when it is full
}

// streamed tells whether the answer comes in pieces, which is the default.
func (c *common) streamed() bool { return c.Stream == nil || *c.Stream }

// unloads tells whether the client asks for the model to be unloaded.
func (c *common) unloads() bool {
	k := string(bytes.Trim(c.KeepAlive, `" `))
	return k == "0" || k == "0s" || k == "0m"
}

// turn validates what both have in common.
func (c *common) turn(r *web.Request) (dialogue.Turn, error) {
	t := dialogue.Turn{Model: c.Model, Namespace: r.Namespace, Weight: r.Weight, RequestID: r.ID, Sampling: dialogue.Sampling{Logprobs: -1}}
	t.DisableThinking = string(c.Think) == "false"
	if err := c.format(&t); err != nil {
		return t, err
	}
	t.ContextShift = c.Shift
	o := c.Options
	if o == nil {
		return t, nil
	}
	t.Stop = o.Stop
	s := &t.Sampling
	s.Temperature, s.TopK, s.TopP, s.MinP, s.TypicalP = o.Temperature, o.TopK, o.TopP, o.MinP, o.TypicalP
	s.RepeatPenalty, s.PresencePenalty, s.FrequencyPenalty = o.RepeatPenalty, o.PresencePenalty, o.FrequencyPenalty
	if o.Seed != nil && *o.Seed != -1 && *o.Seed != 0 { // both mean any
		s.Seed = o.Seed
	}
	if o.NumPredict != nil && *o.NumPredict > 0 { // −1 and −2 mean as much as fits
		t.MaxTokens = *o.NumPredict
	}
	for _, err := range []error{openai.ContextShift(&t, c.Shift, o.NumKeep), openai.CheckSampling(*s), openai.CheckStop(t.Stop)} {
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

// format reads "json" or a JSON schema.
func (c *common) format(t *dialogue.Turn) error {
	var word string
	switch f := bytes.TrimSpace(c.Format); {
	case len(f) == 0 || string(f) == "null":
	case f[0] == '{':
		t.Schema = string(f)
	case json.Unmarshal(f, &word) == nil && word == "":
	case word == "json":
		t.Schema = `{"type":"object"}`
	default:
		return web.Bad("format", `format: want "json" or a JSON schema`)
	}
	return nil
}

// message is a chat message on the wire: tool arguments are objects here.
type message struct {
	Role      string   `json:"role"`
	Content   string   `json:"content"`
	Thinking  string   `json:"thinking"`
	Images    []string `json:"images"`
	ToolName  string   `json:"tool_name"`
	ToolCalls []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

func messages(in []message) ([]llama.Message, error) {
	out := make([]llama.Message, len(in))
	for i, m := range in {
		switch m.Role {
		case "system", "user", "assistant", "tool":
		default:
			return nil, web.Bad("messages", "messages[%d].role: %q is none of system, user, assistant, tool", i, m.Role)
		}
		if len(m.Images) > 0 {
			return nil, web.Bad("messages", "messages[%d].images: this server's models see no images", i)
		}
		out[i] = llama.Message{Role: m.Role, Content: m.Content, Reasoning: m.Thinking, Name: m.ToolName}
		for k, c := range m.ToolCalls {
			id := c.ID
			if id == "" {
				id = fmt.Sprintf("call_%d_%d", i, k)
			}
			out[i].ToolCalls = append(out[i].ToolCalls, llama.ToolCall{ID: id, Name: c.Function.Name, Arguments: string(c.Function.Arguments)})
		}
	}
	return out, nil
}

// tool is a function that the model may call.
type tool struct {
	Function struct {
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Parameters  json.RawMessage `json:"parameters"`
	} `json:"function"`
}

func tools(in []tool) ([]llama.Tool, error) {
	var out []llama.Tool
	for i, t := range in {
		if t.Function.Name == "" {
			return nil, web.Bad("tools", "tools[%d].function.name: want the function's name", i)
		}
		params := string(t.Function.Parameters)
		if params == "" || params == "null" {
			params = `{"type":"object","properties":{}}`
		}
		out = append(out, llama.Tool{Name: t.Function.Name, Description: t.Function.Description, Parameters: params})
	}
	return out, nil
}
