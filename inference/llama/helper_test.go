package llama

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// cacheDir is where fetched parts lie; see package supply.
func cacheDir() string {
	if d := os.Getenv("REPARTEE_CACHE"); d != "" {
		return d
	}
	if d := os.Getenv("XDG_CACHE_HOME"); d != "" {
		return filepath.Join(d, "repartee")
	}
	home, _ := os.UserHomeDir()
	return filepath.Join(home, ".cache", "repartee")
}

// modelPath is the default model's file; tests that need it are skipped where it
// was not fetched, unless REPARTEE_REQUIRE_MODELS says that it must be there.
func modelPath(tb testing.TB) string {
	tb.Helper()
	p := os.Getenv("REPARTEE_TEST_MODEL")
	if p == "" {
		p = filepath.Join(cacheDir(), "models", "SmolLM2-135M-Instruct.Q4_1.gguf")
	}
	return present(tb, p)
}

// sourcePath is a file or directory of the pinned llama.cpp tree.
func sourcePath(tb testing.TB, elem ...string) string {
	tb.Helper()
	root := os.Getenv("REPARTEE_TEST_LLAMA")
	if root == "" {
		root = filepath.Join(cacheDir(), "llama.cpp", "0c1e57098b")
	}
	return present(tb, filepath.Join(append([]string{root}, elem...)...))
}

func present(tb testing.TB, path string) string {
	tb.Helper()
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("REPARTEE_REQUIRE_MODELS") != "" {
			tb.Fatalf("%v: run \"make fetch\"", err)
		}
		tb.Skipf("%v: run \"make fetch\"", err)
	}
	return path
}

var loaded struct {
	sync.Mutex
	byPath map[string]*Model
}

// load returns a model that all tests share.
func load(tb testing.TB, p ModelParams) *Model {
	tb.Helper()
	loaded.Lock()
	defer loaded.Unlock()
	key := p.Path
	if p.VocabOnly {
		key += "#vocabulary"
	}
	if m := loaded.byPath[key]; m != nil {
		return m
	}
	m, err := LoadModel(p)
	if errors.Is(err, ErrNotBuilt) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatalf("LoadModel(%q) = %v, want a model", p.Path, err)
	}
	if loaded.byPath == nil {
		loaded.byPath = map[string]*Model{}
	}
	loaded.byPath[key] = m
	return m
}

func defaultModel(tb testing.TB) *Model {
	tb.Helper()
	return load(tb, ModelParams{Path: modelPath(tb)})
}

// context makes a small context over the default model, closed with the test.
func newContext(tb testing.TB, p ContextParams) *Context {
	tb.Helper()
	if p.Cells == 0 {
		p.Cells = 1024
	}
	if p.Sequences == 0 {
		p.Sequences = 8
	}
	if p.Threads == 0 {
		p.Threads = 2
	}
	if p.FlashAttn == 0 {
		p.FlashAttn = 1
	}
	c, err := defaultModel(tb).NewContext(p)
	if err != nil {
		tb.Fatalf("NewContext(%+v) = %v", p, err)
	}
	tb.Cleanup(c.Close)
	return c
}

// sampling is p with the zero values that tests leave out switched off.
func sampling(p SamplingParams) SamplingParams {
	if p.Logprobs == 0 {
		p.Logprobs = -1
	}
	if p.TopP == 0 {
		p.TopP = 1
	}
	return p
}

func newSampler(tb testing.TB, m *Model, p SamplingParams) *Sampler {
	tb.Helper()
	p = sampling(p)
	s, err := m.NewSampler(p)
	if err != nil {
		tb.Fatalf("NewSampler(%+v) = %v", p, err)
	}
	tb.Cleanup(s.Close)
	return s
}

func tokenize(tb testing.TB, m *Model, text string) []Token {
	tb.Helper()
	t, err := m.Tokenize(nil, text, true, true)
	if err != nil {
		tb.Fatalf("Tokenize(%q) = %v", text, err)
	}
	return t
}

// prompt renders one user message with the model's template and tokenizes it.
func prompt(tb testing.TB, m *Model, text string) []Token {
	tb.Helper()
	r, err := m.Render(TemplateInput{Messages: []Message{{Role: "user", Content: text}}})
	if err != nil {
		tb.Fatalf("Render(%q) = %v", text, err)
	}
	return tokenize(tb, m, r.Prompt)
}

// generate reads a prompt into a sequence in chunks and samples up to n tokens.
func generate(tb testing.TB, c *Context, s *Sampler, seq SeqID, tokens []Token, chunk, n int) []Token {
	tb.Helper()
	var b Batch
	pos := c.SeqPosMax(seq) + 1
	for len(tokens) > chunk {
		b.Reset()
		for _, t := range tokens[:chunk] {
			b.Add(t, pos, seq)
			pos++
		}
		if err := c.Step(&b); err != nil {
			tb.Fatalf("Step(%d rows) = %v", chunk, err)
		}
		tokens = tokens[chunk:]
	}
	b.Reset()
	for _, t := range tokens {
		b.Add(t, pos, seq)
		pos++
	}
	var out []Token
	for {
		b.Groups = append(b.Groups[:0], Group{Sampler: s, First: len(b.Tokens) - 1, Rows: 1})
		if err := c.Step(&b); err != nil {
			tb.Fatalf("Step(%d rows at %d) = %v", len(b.Tokens), pos, err)
		}
		if err := b.Groups[0].Err; err != nil {
			tb.Fatalf("Step: group: %v", err)
		}
		t := b.Out[len(b.Tokens)-1]
		out = append(out, t)
		if len(out) == n || defaultModel(tb).IsEOG(t) {
			return out
		}
		b.Reset()
		b.Add(t, pos, seq)
		pos++
	}
}

func text(m *Model, tokens []Token) string {
	return strings.TrimSpace(string(m.Detokenize(nil, tokens, false)))
}
