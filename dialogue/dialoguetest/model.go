package dialoguetest

import (
	"fmt"
	"strings"
	"sync"

	"repartee/inference"
	"repartee/inference/llama"
)

// vocabulary is the bytes; 0 ends a generation.
const vocabulary = 256

// Markers of the template. A prompt without header is a raw completion.
const (
	header = "<|assistant|>"
	user   = "<|user|>"
)

// Model is the half of the fake that any goroutine may use.
type Model struct {
	// Context is how many tokens the model says it was trained for.
	Context int
	// Reply makes the whole answer to a prompt; nil = Echo.
	Reply func(prompt string) string
	// Parse takes a text apart when tools were given; nil = ParseCalls.
	Parse func(text string, partial bool) (llama.ParsedOutput, error)
	// Grammar is told of each grammar that is compiled; nil = all are fine.
	Grammar func(llama.GrammarSpec) error

	mu       sync.Mutex
	inputs   []llama.TemplateInput
	sampling []llama.SamplingParams
}

// Inputs returns what the template was rendered from, oldest first.
func (m *Model) Inputs() []llama.TemplateInput {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]llama.TemplateInput(nil), m.inputs...)
}

// Sampling returns the parameters of the samplers asked for, oldest first.
func (m *Model) Sampling() []llama.SamplingParams {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]llama.SamplingParams(nil), m.sampling...)
}

// Echo answers "You said: " and the last user message; a message that starts
// with "say " is answered with the rest of it alone. A raw prompt is answered
// with itself in capitals.
func Echo(prompt string) string {
	text, chat := strings.CutSuffix(prompt, header)
	if !chat {
		return strings.ToUpper(prompt)
	}
	if i := strings.LastIndex(text, user); i >= 0 {
		text = text[i+len(user):]
	}
	text = strings.TrimSuffix(text, "\n")
	if say, ok := strings.CutPrefix(text, "say "); ok {
		return say
	}
	return "You said: " + text
}

// ParseCalls reads lines "CALL name arguments" as tool calls and the rest as
// content.
func ParseCalls(text string, partial bool) (llama.ParsedOutput, error) {
	var out llama.ParsedOutput
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, "CALL ")
		if !ok {
			if partial && strings.HasPrefix("CALL ", line) {
				continue // may still become a call
			}
			out.Content += line
			continue
		}
		name, arguments, ok := strings.Cut(rest, " ")
		if ok {
			out.ToolCalls = append(out.ToolCalls, llama.ToolCall{Name: name, Arguments: strings.TrimSuffix(arguments, "\n")})
		}
	}
	return out, nil
}

// Info describes the model.
func (m *Model) Info() llama.ModelInfo {
	size := m.Context
	if size == 0 {
		size = 1 << 16
	}
	return llama.ModelInfo{
		Name: "fake", Architecture: "fake", Description: "fake 1M F0", FileType: "F0", VocabSize: vocabulary, ContextTrain: size,
		Parameters: 1 << 20, SizeBytes: 1 << 20, BOS: -1, EOS: 0, EOG: []inference.Token{0}, ChatTemplate: "fake with tools", Embedding: embedWidth,
	}
}

// Tokenize appends the bytes of text.
func (m *Model) Tokenize(dst []inference.Token, text string, _, _ bool) ([]inference.Token, error) {
	for _, b := range []byte(text) {
		dst = append(dst, inference.Token(b))
	}
	return dst, nil
}

var pieces = func() (p [vocabulary][]byte) {
	for i := 1; i < vocabulary; i++ {
		p[i] = []byte{byte(i)}
	}
	return p
}()

// Piece returns the token's byte.
func (m *Model) Piece(t inference.Token, _ bool) []byte { return pieces[t] }

// IsEOG tells whether t ends a generation.
func (m *Model) IsEOG(t inference.Token) bool { return t == 0 }

// Render writes the messages between markers. A message with the content
// "template fails" makes it fail, as some templates do with some roles.
func (m *Model) Render(in llama.TemplateInput) (llama.Rendered, error) {
	var b strings.Builder
	for _, msg := range in.Messages {
		if msg.Content == "template fails" {
			return llama.Rendered{}, fmt.Errorf("%w: told so", llama.ErrTemplate)
		}
		fmt.Fprintf(&b, "<|%s|>%s", msg.Role, msg.Content)
		for _, c := range msg.ToolCalls {
			fmt.Fprintf(&b, "CALL %s %s", c.Name, c.Arguments)
		}
		b.WriteByte('\n')
	}
	m.mu.Lock()
	m.inputs = append(m.inputs, in)
	m.mu.Unlock()
	if in.JSONSchema == "fails" {
		return llama.Rendered{}, fmt.Errorf("%w: told so", llama.ErrSchema)
	}
	out := llama.Rendered{Prompt: b.String() + header}
	if len(in.Tools) > 0 {
		out.Parser = "calls"
	}
	if in.JSONSchema != "" || in.ToolChoice == llama.ToolRequired {
		out.Grammar = &llama.GrammarSpec{GBNF: in.JSONSchema, ToolCalls: len(in.Tools) > 0}
	}
	return out, nil
}

// ParseOutput takes a text apart by Parse.
func (m *Model) ParseOutput(_ llama.Rendered, text string, partial bool) (llama.ParsedOutput, error) {
	if m.Parse != nil {
		return m.Parse(text, partial)
	}
	return ParseCalls(text, partial)
}

// CompileGrammar compiles nothing: the fake answers by rule.
func (m *Model) CompileGrammar(g llama.GrammarSpec, _ llama.Budget) (*llama.Grammar, error) {
	if m.Grammar != nil {
		return nil, m.Grammar(g)
	}
	return nil, nil
}

// NewSampler notes the parameters; the fake samples by rule.
func (m *Model) NewSampler(p llama.SamplingParams) (*llama.Sampler, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sampling = append(m.sampling, p)
	return nil, nil
}

func (m *Model) reply(prompt string) string {
	if m.Reply != nil {
		return m.Reply(prompt)
	}
	return Echo(prompt)
}
