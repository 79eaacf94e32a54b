package peers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"repartee/bench"
	"repartee/supply"
)

// nearlyEqual is how close, in nats, the two most likely tokens must be at a place
// where two servers go different ways. Activations are rounded to 8 bits in front of
// every matrix, so another order of a sum moves a logit by tenths: llama-server's
// own answers part like this with --no-repack, or with other chunks of a prompt.
const nearlyEqual = 0.3

// equalPrompts are short and long ones, facts, lists, code, other alphabets.
var equalPrompts = []string{
	"Name three colours.",
	"What is the capital of France?",
	"Write a short poem about the sea.",
	"Explain how a bicycle stays upright.",
	"List the planets of the solar system in order.",
	"What is 17 plus 25?",
	"Write a Python function that reverses a string.",
	"Translate to French: good morning, my friend.",
	"Who wrote Romeo and Juliet?",
	"Give me a recipe for pancakes.",
	"Describe a rainy day in two sentences.",
	"Why is the sky blue?",
	"Schreibe einen Satz über den Herbst.",
	"Reply in English: 日本の首都はどこですか。",
	"Tell me a joke about a cat \U0001F408.",
	"Write JSON with the fields name and age.",
	"Continue: once upon a time there was a fox who",
	"Summarise: " + strings.Repeat("The ship left the harbour at dawn and came back at night. ", 12),
	"How many words are in this list? " + strings.Repeat("apple, bridge, candle, dragon, ", 20),
	"Read and answer briefly what it is about. " + strings.Repeat("In the north the winters are long, and people keep wood beside the stove. ", 24),
}

// answer is what a server says to a prompt, token by token.
type answer struct {
	prompt int // tokens of the prompt by the server's count
	text   string
	tokens []token
}

type token struct {
	Token       string  `json:"token"`
	Logprob     float64 `json:"logprob"`
	TopLogprobs []token `json:"top_logprobs"`
}

// gap is how much more likely the first choice was than the second, in nats.
func (k token) gap() float64 {
	top := slices.SortedFunc(slices.Values(k.TopLogprobs), func(a, b token) int { return cmp.Compare(b.Logprob, a.Logprob) })
	if len(top) < 2 {
		return 1e9
	}
	return top[0].Logprob - top[1].Logprob
}

func ask(t *testing.T, p *bench.Process, prompt string) answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"messages":    []map[string]string{{"role": "user", "content": prompt}},
		"temperature": 0, "max_tokens": 48, "logprobs": true, "top_logprobs": 2, "cache_prompt": false,
	})
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(p.URL+"/v1/chat/completions", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	var a struct {
		Choices []struct {
			Message  struct{ Content string } `json:"message"`
			Logprobs struct {
				Content []token `json:"content"`
			} `json:"logprobs"`
		} `json:"choices"`
		Usage struct {
			Prompt int `json:"prompt_tokens"`
		} `json:"usage"`
	}
	if err == nil {
		err = json.Unmarshal(data, &a)
	}
	if err != nil || res.StatusCode != 200 || len(a.Choices) != 1 || len(a.Choices[0].Logprobs.Content) == 0 {
		t.Fatalf("%s: %.40q = %d %.300s (%v), want one choice with log-probabilities", p.URL, prompt, res.StatusCode, data, err)
	}
	return answer{a.Usage.Prompt, a.Choices[0].Message.Content, a.Choices[0].Logprobs.Content}
}

// Greedy answers are llama-server's own, from the same source, model, and types
// of cache, with attention summed in float32 as ours is. Where two texts part, the two most likely tokens were as good as
// equal on both sides.
func TestGreedyEqualsLlamaServer(t *testing.T) {
	if os.Getenv("REPARTEE_E2E") == "" {
		t.Skip("needs the real model: set REPARTEE_E2E=1")
	}
	peer, built := llamaBuilt()
	if !built {
		t.Skip(`llama-server is not built: "bin/repartee bench peers llama-server" builds it (minutes, once)`)
	}
	model, err := supply.Find(supply.DefaultModel)
	if err != nil {
		t.Skip(err)
	}
	own, err := filepath.Abs("../../bin/repartee")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(own); err != nil {
		t.Skipf(`%v: "make build" makes it`, err)
	}
	p := Params{ModelFile: model, Threads: 2, Slots: 1, Context: 4096, Chat: true}
	start := func(l bench.Launch, name string) *bench.Process {
		t.Helper()
		s, err := bench.Start(t.Context(), l, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Stop() })
		return s
	}
	launch, err := ownServer(p)
	if err != nil {
		t.Fatal(err)
	}
	launch.Args[0] = own
	launch.Args = append(launch.Args, "--kv-type", "f16")
	b := start(bench.Launch{Args: append(llamaArgs(peer, p, true), "--flash-attn", "off"), Ready: "/health"}, "llama-server")
	same := 0
	for _, prompt := range equalPrompts {
		a := start(launch, "repartee") // anew, so that nothing is cached here either
		x, y := ask(t, a, prompt), ask(t, b, prompt)
		a.Stop()
		if x.prompt != y.prompt {
			t.Errorf("%.40q: %d prompt tokens, llama-server has %d", prompt, x.prompt, y.prompt)
		}
		at := 0
		for at < len(x.tokens) && at < len(y.tokens) && x.tokens[at].Token == y.tokens[at].Token {
			at++
		}
		switch {
		case x.text == y.text: // llama-server lists the token that ends the answer too
			same++
		case at == len(x.tokens) || at == len(y.tokens):
			t.Errorf("%.40q: %d tokens, llama-server has %d; as far as the shorter goes they are equal", prompt, len(x.tokens), len(y.tokens))
		case strings.ContainsRune(x.tokens[at].Token, utf8.RuneError):
			t.Logf("%.40q parts inside a character, whose tokens llama-server counts as one", prompt)
		default:
			l, r := x.tokens[at], y.tokens[at]
			t.Logf("%.40q parts at token %d: %q (%.4f before the next), llama-server %q (%.4f)", prompt, at, l.Token, l.gap(), r.Token, r.gap())
			if l.gap() > nearlyEqual || r.gap() > nearlyEqual {
				t.Errorf("%.40q parts where one token was clearly better", prompt)
			}
		}
	}
	t.Logf("%d of %d answers are equal", same, len(equalPrompts))
}

// llamaBuilt is where llama-server is, and whether it is there already.
func llamaBuilt() (string, bool) {
	if bin := os.Getenv("REPARTEE_LLAMA_SERVER"); bin != "" {
		return bin, true
	}
	source, err := supply.Find(supply.LlamaSource)
	if err != nil {
		return "", false
	}
	home := filepath.Join(supply.Dir(), "peers", "llama.cpp-"+buildHash(source))
	return filepath.Join(home, "bin", "llama-server"), done(home)
}
