package server

import (
	"encoding/json"
	"strings"
	"testing"
)

// line is an object of the Ollama API.
type line struct {
	Model      string
	Response   string
	Message    struct{ Role, Content string }
	Done       bool
	DoneReason string `json:"done_reason"`
	EvalCount  int    `json:"eval_count"`
	Context    []int
	Error      string
}

func (w *world) lines(t *testing.T, path, body string) (int, []line) {
	t.Helper()
	status, text, _ := w.do(t, "POST", path, body)
	var out []line
	for s := range strings.Lines(text) {
		var l line
		if err := json.Unmarshal([]byte(s), &l); err != nil {
			t.Fatalf("POST %s %s = %q: line %q: %v", path, body, text, s, err)
		}
		out = append(out, l)
	}
	if len(out) == 0 {
		t.Fatalf("POST %s %s = %d without a line", path, body, status)
	}
	return status, out
}

func TestOllamaAnswers(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(path, body, want string, streamed bool) line {
		t.Helper()
		status, lines := w.lines(t, path, body)
		got := ""
		for i, l := range lines {
			got += l.Response + l.Message.Content
			if l.Model != "echo" || l.Done != (i == len(lines)-1) {
				t.Fatalf("POST %s %s: line %d = %+v, want model echo and done on the last only", path, body, i, l)
			}
		}
		if status != 200 || got != want || (len(lines) > 1) != streamed {
			t.Fatalf("POST %s %s = %d %+v, want %q, streamed %v", path, body, status, lines, want, streamed)
		}
		return lines[len(lines)-1]
	}
	const chat, generate = "/api/chat", "/api/generate"
	few := `"options":{"num_predict":3,"temperature":0,"num_ctx":4096,"mirostat":0}`
	last := f(chat, `{"model":"echo","messages":[{"role":"user","content":"x"}],`+few+`}`, "abc", true)
	if last.DoneReason != "length" || last.EvalCount != 3 || last.Message.Role != "assistant" {
		t.Fatalf("last line = %+v, want done_reason length and 3 tokens", last)
	}
	f(chat, `{"model":"echo:latest","messages":[{"role":"user","content":"x"}],"stream":false,"keep_alive":"5m",`+few+`}`, "abc", false)
	f(generate, `{"model":"echo","prompt":"x","stream":false,"keep_alive":-1,`+few+`}`, "abc", false)
	f(generate, `{"model":"echo","prompt":"x","raw":true,`+few+`}`, "abc", true)
	first := f(generate, `{"model":"echo","prompt":"x","stream":false,`+few+`}`, "abc", false)
	if string(rune(first.Context[len(first.Context)-1])) != "c" {
		t.Fatalf("context = %v, want prompt and answer as tokens", first.Context)
	}
	context, err := json.Marshal(first.Context)
	if err != nil {
		t.Fatal(err)
	}
	second := f(generate, `{"model":"echo","prompt":"y","stream":false,"context":`+string(context)+`,`+few+`}`, "abc", false)
	if len(second.Context) <= len(first.Context)+3 {
		t.Fatalf("context of the second turn has %d tokens, want more than the first's %d", len(second.Context), len(first.Context))
	}
	if l := f(chat, `{"model":"echo"}`, "", false); l.DoneReason != "load" {
		t.Fatalf("no messages: done_reason %q, want load", l.DoneReason)
	}
	if l := f(generate, `{"model":"echo","prompt":"","keep_alive":0}`, "", false); l.DoneReason != "unload" {
		t.Fatalf("keep_alive 0: done_reason %q, want unload", l.DoneReason)
	}
}

func TestOllamaErrors(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(path, body string, want int, word string) {
		t.Helper()
		status, lines := w.lines(t, path, body)
		if status != want || !strings.Contains(lines[0].Error, word) {
			t.Fatalf("POST %s %s = %d %+v, want %d and an error string with %q", path, body, status, lines, want, word)
		}
	}
	f("/api/chat", `{`, 400, "JSON")
	f("/api/chat", `{}`, 400, "model")
	f("/api/chat", `{"model":"none"}`, 404, "echo")
	f("/api/chat", `{"model":"echo","messages":[{"role":"x"}]}`, 400, "role")
	f("/api/chat", `{"model":"echo","messages":[{"role":"user","content":"x","images":["aGk="]}]}`, 400, "images")
	f("/api/generate", `{"model":"echo","prompt":"x","options":{"temperature":"hot"}}`, 400, "options.temperature")
	f("/api/generate", `{"model":"echo","prompt":"x","format":"xml"}`, 400, "format")
	f("/api/generate", `{"model":"echo","prompt":"x","context":[999]}`, 400, "context")
	f("/api/show", `{"name":"none"}`, 404, "echo")
	f("/api/nothing", `{}`, 404, "/api/nothing")
}

func TestOllamaLists(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(method, path, body string, want ...string) {
		t.Helper()
		status, text, _ := w.do(t, method, path, body)
		for _, s := range want {
			if status != 200 || !strings.Contains(text, s) {
				t.Fatalf("%s %s = %d %s, want 200 with %q", method, path, status, text, s)
			}
		}
	}
	f("GET", "/api/tags", "", `"name":"echo"`, `"format":"gguf"`, `"parameter_size":"1.05M"`, `"modified_at"`)
	f("GET", "/api/ps", "", `"model":"echo"`, `"expires_at"`, `"context_length":2048`)
	f("POST", "/api/show", `{"model":"echo"}`, `"capabilities":["completion","tools"]`, `"general.architecture":"fake"`)
	f("GET", "/api/version", "", `"version":`)
}
