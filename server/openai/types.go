package openai

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"repartee/dialogue"
	"repartee/inference/llama"
	"repartee/server/web"
)

// Strings is a string or a list of strings; null is none.
type Strings []string

// UnmarshalJSON takes both forms.
func (s *Strings) UnmarshalJSON(b []byte) error {
	var one string
	var many []string
	switch {
	case bytes.Equal(b, []byte("null")):
		*s = nil
	case json.Unmarshal(b, &one) == nil:
		*s = Strings{one}
	case json.Unmarshal(b, &many) == nil:
		*s = many
	default:
		return &web.Mismatch{Want: "a string or a list of strings"}
	}
	return nil
}

// Content is a message's text: a string, null, or a list of text parts.
type Content string

// UnmarshalJSON joins the parts.
func (c *Content) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil { // null leaves it empty
		*c = Content(text)
		return nil
	}
	var parts []struct {
		Type    string  `json:"type"`
		Text    *string `json:"text"`
		Refusal *string `json:"refusal"`
	}
	if json.Unmarshal(b, &parts) != nil {
		return &web.Mismatch{Want: "a string or a list of text parts"}
	}
	var joined strings.Builder
	for i, p := range parts {
		switch {
		case p.Type == "text" && p.Text != nil:
			joined.WriteString(*p.Text)
		case p.Type == "refusal" && p.Refusal != nil:
			joined.WriteString(*p.Refusal)
		default:
			return &web.Mismatch{At: fmt.Sprintf("[%d].type", i), Want: fmt.Sprintf("\"text\", parts of type %q are not supported", p.Type)}
		}
	}
	*c = Content(joined.String())
	return nil
}

// Message is a message on the wire.
type Message struct {
	Role       string  `json:"role"`
	Content    Content `json:"content"`
	Name       string  `json:"name"`
	ToolCallID string  `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	Reasoning string `json:"reasoning_content"`
}

// Messages checks and translates a list of messages.
func Messages(in []Message) ([]llama.Message, error) {
	if len(in) == 0 {
		return nil, web.Bad("messages", "messages: want at least one message")
	}
	out := make([]llama.Message, len(in))
	for i, m := range in {
		role := m.Role
		switch role {
		case "developer":
			role = "system"
		case "function":
			role = "tool"
		case "system", "user", "assistant", "tool":
		default:
			return nil, web.Bad(fmt.Sprintf("messages[%d].role", i), "messages[%d].role: %q is none of system, developer, user, assistant, tool", i, m.Role)
		}
		out[i] = llama.Message{Role: role, Content: string(m.Content), Name: m.Name, ToolCallID: m.ToolCallID, Reasoning: m.Reasoning}
		for _, c := range m.ToolCalls {
			out[i].ToolCalls = append(out[i].ToolCalls, llama.ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments})
		}
	}
	return out, nil
}

// CheckSampling refuses values outside their ranges.
func CheckSampling(s dialogue.Sampling) error {
	check := func(name string, v *float64, low, high float64) error {
		if v != nil && (math.IsNaN(*v) || *v < low || *v > high) {
			return web.Bad(name, "%s: %g is out of range, want %g … %g", name, *v, low, high)
		}
		return nil
	}
	for _, err := range []error{
		check("temperature", s.Temperature, 0, 2), check("top_p", s.TopP, 0, 1), check("min_p", s.MinP, 0, 1),
		check("frequency_penalty", s.FrequencyPenalty, -2, 2), check("presence_penalty", s.PresencePenalty, -2, 2),
		check("repeat_penalty", s.RepeatPenalty, 0, 10),
	} {
		if err != nil {
			return err
		}
	}
	if s.TopK != nil && *s.TopK < 0 {
		return web.Bad("top_k", "top_k: want 0 (off) or more")
	}
	return nil
}

// CheckStop bounds stop strings.
func CheckStop(stop []string) error {
	if len(stop) > 16 {
		return web.Bad("stop", "stop: want at most 16 strings")
	}
	for _, s := range stop {
		if len(s) > 256 {
			return web.Bad("stop", "stop: want strings of at most 256 bytes")
		}
	}
	return nil
}

// bias translates logit_bias; keys that are no token ids are ignored.
func bias(in map[string]float64, vocab int) ([]llama.LogitBias, error) {
	var out []llama.LogitBias
	for k, v := range in {
		if v < -100 || v > 100 {
			return nil, web.Bad("logit_bias", "logit_bias: %g for %q is out of range, want -100 … 100", v, k)
		}
		if id, err := strconv.Atoi(k); err == nil && id >= 0 && id < vocab {
			b := llama.LogitBias{Token: llama.Token(id), Bias: float32(v)}
			if v == -100 {
				b.Bias = float32(math.Inf(-1))
			}
			out = append(out, b)
		}
	}
	return out, nil
}
