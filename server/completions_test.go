package server

import (
	"encoding/json"
	"strings"
	"testing"
)

type textAnswer struct {
	Object  string
	Choices []struct {
		Index        int
		Text         string
		FinishReason string `json:"finish_reason"`
		Logprobs     *struct {
			Tokens     []string
			TextOffset []int `json:"text_offset"`
		}
	}
	Usage struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	}
}

func (w *world) text(t *testing.T, body string) textAnswer {
	t.Helper()
	status, text, _ := w.do(t, "POST", "/v1/completions", body)
	var a textAnswer
	if err := json.Unmarshal([]byte(text), &a); status != 200 || err != nil {
		t.Fatalf("POST /v1/completions %s = %d %s (%v), want 200", body, status, text, err)
	}
	return a
}

// The model answers a raw prompt with the alphabet, whatever it was.
func TestCompletionsTakeEveryFormOfPrompt(t *testing.T) {
	w := start(t, Config{}, nil, 8).ready()
	f := func(fields string, prompt, each int, texts ...string) {
		t.Helper()
		a := w.text(t, `{"model":"echo","max_tokens":3,`+fields+`}`)
		if a.Object != "text_completion" || a.Usage.PromptTokens != prompt || a.Usage.CompletionTokens != each*len(texts) || len(a.Choices) != len(texts) {
			t.Fatalf("%s = %+v, want %d choices, usage %d + %d", fields, a, len(texts), prompt, each*len(texts))
		}
		for i, c := range a.Choices {
			if c.Index != i || c.Text != texts[i] || c.FinishReason != "length" {
				t.Fatalf("%s: choice %d = %+v, want %q", fields, i, c, texts[i])
			}
		}
	}
	f(`"prompt":"12"`, 2, 3, "abc")
	f(`"prompt":["12","345"]`, 5, 3, "abc", "abc")
	f(`"prompt":[49,50]`, 2, 3, "abc")
	f(`"prompt":[[49,50],[51]]`, 3, 3, "abc", "abc")
	f(`"prompt":["12","3"],"n":2,"echo":true`, 3, 3, "12abc", "12abc", "3abc", "3abc")
	f(`"prompt":[49,50],"echo":true`, 2, 3, "12abc")
	f(`"prompt":"1","best_of":0,"suffix":"z","logprobs":null,"logit_bias":{"foo":0}`, 1, 3, "abc")
	if a := w.text(t, `{"prompt":"1"}`); len(a.Choices[0].Text) != 16 {
		t.Fatalf("without max_tokens the text is %q, want the API's 16 tokens", a.Choices[0].Text)
	}
}

func TestCompletionStreamsJoin(t *testing.T) {
	w := start(t, Config{}, nil, 8).ready()
	_, stream, _ := w.do(t, "POST", "/v1/completions", `{"prompt":["1","2"],"echo":true,"max_tokens":4,"stream":true,"stream_options":{"include_usage":true}}`)
	texts, usage := map[int]string{}, 0
	events := strings.Split(strings.TrimSpace(stream), "\n\n")
	for _, e := range events[:len(events)-1] {
		var a textAnswer
		if err := json.Unmarshal([]byte(strings.TrimPrefix(e, "data: ")), &a); err != nil || a.Object != "text_completion" {
			t.Fatalf("event %q: %v", e, err)
		}
		for _, c := range a.Choices {
			texts[c.Index] += c.Text
		}
		usage += a.Usage.CompletionTokens
	}
	if texts[0] != "1abcd" || texts[1] != "2abcd" || usage != 8 || events[len(events)-1] != "data: [DONE]" {
		t.Fatalf("stream %q joins to %v with %d tokens, want 1abcd, 2abcd and 8", stream, texts, usage)
	}
}

func TestCompletionErrors(t *testing.T) {
	w := start(t, Config{}, nil, 8).ready()
	f := func(fields, param string) {
		t.Helper()
		status, text, _ := w.do(t, "POST", "/v1/completions", `{`+fields+`}`)
		if status != 400 || !strings.Contains(text, `"param":"`+param+`"`) {
			t.Fatalf("%s = %d %s, want 400 about %s", fields, status, text, param)
		}
	}
	f(`"prompt":{"a":1}`, "prompt")
	f(`"prompt":[1.5]`, "prompt")
	f(`"prompt":["a",1]`, "prompt")
	f(`"prompt":[-1]`, "prompt")
	f(`"prompt":[256]`, "prompt")
	f(`"prompt":"x","logprobs":true`, "logprobs")
	f(`"prompt":"x","logprobs":21`, "logprobs")
	f(`"prompt":"x","best_of":-1`, "best_of")
	f(`"prompt":[`+strings.Repeat(`"x",`, 64)+`"x"]`, "prompt")
}
