package server

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

type vectors struct {
	Object, Model string
	Data          []struct {
		Object    string
		Index     int
		Embedding json.RawMessage
	}
	Embeddings [][]float32 // Ollama's
	Embedding  []float32   // Ollama's older form
	Usage      struct {
		PromptTokens int `json:"prompt_tokens"`
	}
	PromptEvalCount int `json:"prompt_eval_count"`
}

func (w *world) vectors(t *testing.T, path, body string) vectors {
	t.Helper()
	status, text, _ := w.do(t, "POST", path, body)
	var v vectors
	if err := json.Unmarshal([]byte(text), &v); status != 200 || err != nil {
		t.Fatalf("POST %s %s = %d %s (%v), want 200", path, body, status, text, err)
	}
	return v
}

func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s = %v, want %v", what, got, want)
	}
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-6 {
			t.Fatalf("%s = %v, want %v", what, got, want)
		}
	}
}

// The fake's vector counts bytes by their remainder by 4: "dh" is (1, 0, 0, 0),
// "de" is (1, 1, 0, 0) scaled.
func TestEmbeddingsTakeEveryForm(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	x := float32(math.Sqrt(0.5))
	f := func(fields string, tokens int, want ...[]float32) {
		t.Helper()
		v := w.vectors(t, "/v1/embeddings", `{"model":"echo",`+fields+`}`)
		if v.Object != "list" || v.Model != "echo" || v.Usage.PromptTokens != tokens || len(v.Data) != len(want) {
			t.Fatalf("%s = %+v, want %d vectors of %d tokens", fields, v, len(want), tokens)
		}
		for i, d := range v.Data {
			var got []float32
			if d.Index != i || d.Object != "embedding" {
				t.Fatalf("%s: vector %d = %+v", fields, i, d)
			}
			if strings.Contains(fields, "base64") {
				var text string
				if err := json.Unmarshal(d.Embedding, &text); err != nil {
					t.Fatal(err)
				}
				raw, err := base64.StdEncoding.DecodeString(text)
				if err != nil {
					t.Fatal(err)
				}
				for ; len(raw) >= 4; raw = raw[4:] {
					got = append(got, math.Float32frombits(binary.LittleEndian.Uint32(raw)))
				}
			} else if err := json.Unmarshal(d.Embedding, &got); err != nil {
				t.Fatal(err)
			}
			near(t, fields, got, want[i])
		}
	}
	f(`"input":"dh"`, 2, []float32{1, 0, 0, 0})
	f(`"input":["dh","de"],"encoding_format":"float"`, 4, []float32{1, 0, 0, 0}, []float32{x, x, 0, 0})
	f(`"input":[100,101],"encoding_format":"base64","user":"u"`, 2, []float32{x, x, 0, 0})
	f(`"input":[[100],[101,101]],"dimensions":null`, 3, []float32{1, 0, 0, 0}, []float32{0, 1, 0, 0})
	f(`"input":"dee","dimensions":1`, 3, []float32{1})
}

func TestEmbeddingErrors(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	f := func(path, fields string, want int, words ...string) {
		t.Helper()
		status, text, _ := w.do(t, "POST", path, `{`+fields+`}`)
		for _, word := range words {
			if status != want || !strings.Contains(text, word) {
				t.Fatalf("POST %s %s = %d %s, want %d with %s", path, fields, status, text, want, word)
			}
		}
	}
	const path = "/v1/embeddings"
	long := strings.Repeat("x", 65)
	f(path, `"model":"echo"`, 400, `"param":"input"`)
	f(path, `"input":""`, 400, `"param":"input"`)
	f(path, `"input":["a",""]`, 400, `"param":"input[1]"`)
	f(path, `"input":[1,999]`, 400, `"param":"input"`, "255")
	f(path, `"input":{"a":1}`, 400, `"param":"input"`)
	f(path, `"input":"x","dimensions":5`, 400, `"param":"dimensions"`, "4")
	f(path, `"input":"x","dimensions":"2"`, 400, `"param":"dimensions"`)
	f(path, `"input":"x","encoding_format":"hex"`, 400, `"param":"encoding_format"`)
	f(path, `"input":"`+long+`"`, 400, `"param":"input[0]"`, "65", "64")
	f(path, `"input":"x","model":"none"`, 404, "model_not_found", "echo")
	f(path, `"input":[`+strings.Repeat(`"x",`, 2048)+`"x"]`, 400, `"param":"input"`, "2048")
	f("/api/embed", `"input":"x"`, 400, "model")
	f("/api/embed", `"model":"none","input":"x"`, 404, "echo")
	f("/api/embed", `"model":"echo","input":7`, 400, "input")
	f("/api/embed", `"model":"echo","truncate":false,"input":"`+long+`"`, 400, "64")
}

func TestOllamaEmbeds(t *testing.T) {
	w := start(t, Config{}, nil).ready()
	v := w.vectors(t, "/api/embed", `{"model":"echo:latest","input":["dh","e"],"keep_alive":"5m"}`)
	if len(v.Embeddings) != 2 || v.PromptEvalCount != 3 {
		t.Fatalf("two inputs = %+v, want two vectors of 3 tokens", v)
	}
	near(t, "first", v.Embeddings[0], []float32{1, 0, 0, 0})
	near(t, "second", v.Embeddings[1], []float32{0, 1, 0, 0})
	v = w.vectors(t, "/api/embed", `{"model":"echo","input":"`+strings.Repeat("d", 100)+`"}`)
	if v.PromptEvalCount != 64 {
		t.Fatalf("a long text was read with %d tokens, want the first 64", v.PromptEvalCount)
	}
	if v = w.vectors(t, "/api/embed", `{"model":"echo"}`); v.Embeddings == nil || len(v.Embeddings) != 0 {
		t.Fatalf("no input = %+v, want an empty list", v)
	}
	v = w.vectors(t, "/api/embeddings", `{"model":"echo","prompt":"dh"}`)
	near(t, "older form", v.Embedding, []float32{1, 0, 0, 0})
}
