package dialogue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"repartee/inference"
	"repartee/inference/llama"
)

// Engine is a resident model. *inference.Engine is one.
type Engine interface {
	Name() string
	Info() llama.ModelInfo
	ContextSize() int
	Tokenize(text string, addSpecial, parseSpecial bool) ([]inference.Token, error)
	Detokenize([]inference.Token) string
	Piece(t inference.Token, special bool) []byte
	Render(llama.TemplateInput) (llama.Rendered, error)
	ParseOutput(llama.Rendered, string, bool) (llama.ParsedOutput, error)
	CompileGrammar(llama.GrammarSpec) (*llama.Grammar, error)
	Submit(context.Context, *inference.Request) (*inference.Stream, error)
	Prefill(context.Context, *inference.Prefix) (*inference.Stream, error)
	Embed(ctx context.Context, texts [][]inference.Token, truncate bool) (inference.Embeddings, error)
}

// Models is what is resident.
type Models interface {
	Engine(name string) (Engine, bool)
	Names() []string // default first
	DefaultName() string
	QualityName() string
}

// Turn is one request for an answer.
type Turn struct {
	Model   string // empty = by Mode
	Mode    string // "", fast, quality
	Session string // keep the conversation under this id; empty = do not keep
	System  string
	// Messages of this turn, behind the session's history.
	Messages []llama.Message
	// Prompt, when Messages is empty, is raw text or tokens for a completion.
	Prompt       string
	PromptTokens []inference.Token

	// Before are tokens that stand in front of everything, as an earlier run's
	// Context returned them.
	Before []inference.Token
	// Context makes the run's Context available.
	Context bool

	Tools             []llama.Tool
	ToolChoice        llama.ToolChoice
	ParallelToolCalls bool
	Schema            string // JSON schema the answer must follow; "{}" = any object
	Grammar           string // GBNF

	MaxTokens  int
	Stop       []string
	Sampling   Sampling
	Priority   inference.Priority
	Namespace  string
	CacheSalt  string  // keeps prefixes and answers of a namespace apart
	Weight     float64 // the namespace's share, 0 = 1
	RequestID  string
	Timeout    time.Duration
	IgnoreEOG  bool
	Prediction string
	Speculate  inference.Speculation
	DraftMax   int // most guessed tokens a step, 0 = the engine's choice

	DisableThinking bool

	// ContextShift lets the turn outgrow the context: see inference.ContextShift. nil =
	// the service's default.
	ContextShift *bool
	// ContextKeep is how many leading tokens of the prompt stay then, −1 = all; nil =
	// the system prompt as the template writes it.
	ContextKeep *int
}

// Service answers turns. All methods may be called from any goroutine.
type Service struct {
	models   Models
	sessions *sessions
	defaults map[string]Sampling
	shift    bool
}

// New makes a service over the resident models.
func New(models Models) *Service {
	return &Service{models: models, sessions: newSessions(time.Now), defaults: map[string]Sampling{}}
}

// SetDefaults says how a model's turns are sampled where they leave it open. It
// must be called before the first turn.
func (s *Service) SetDefaults(model string, d Sampling) { s.defaults[model] = d }

// SetContextShift says whether turns that leave it open may outgrow the context. It
// must be called before the first turn.
func (s *Service) SetContextShift(on bool) { s.shift = on }

// Models is what can be asked for.
func (s *Service) Models() Models { return s.models }

// History returns a kept conversation.
func (s *Service) History(space, id string) ([]llama.Message, error) {
	m, ok := s.sessions.history(space, id)
	if !ok {
		return nil, &UnknownSessionError{id}
	}
	return m, nil
}

// Forget drops a kept conversation.
func (s *Service) Forget(space, id string) error {
	if !s.sessions.remove(space, id) {
		return &UnknownSessionError{id}
	}
	return nil
}

// Engine finds the model that a name and a mode mean.
func (s *Service) Engine(name, mode string) (Engine, string, error) {
	switch {
	case mode != "" && mode != "fast" && mode != "quality":
		return nil, "", &FieldError{"mode", `want "fast" or "quality"`}
	case name == "" && mode == "quality":
		name = s.models.QualityName()
	case name == "":
		name = s.models.DefaultName()
	}
	if e, ok := s.models.Engine(name); ok {
		return e, name, nil
	}
	if base, latest := strings.CutSuffix(name, ":latest"); latest {
		if e, ok := s.models.Engine(base); ok {
			return e, base, nil
		}
	}
	return nil, "", &UnknownModelError{name, s.models.Names()}
}

// Start renders, tokenizes and submits a turn. Errors: FieldError,
// UnknownModelError, and those of inference.Engine.Submit. The end of ctx
// cancels the turn.
func (s *Service) Start(ctx context.Context, t Turn) (*Run, error) {
	engine, name, err := s.Engine(t.Model, t.Mode)
	if err != nil {
		return nil, err
	}
	run := &Run{service: s, engine: engine, model: name, turn: t}
	req := &inference.Request{
		ID: t.RequestID, MaxTokens: t.MaxTokens, Stop: t.Stop, Priority: t.Priority, Namespace: t.Namespace, CacheSalt: t.CacheSalt, Weight: t.Weight,
		Sampling: t.Sampling.over(s.defaults[name]).params(), Speculate: t.Speculate, DraftMax: t.DraftMax,
	}
	req.Sampling.IgnoreEOG = t.IgnoreEOG
	if t.Timeout > 0 {
		req.Deadline = time.Now().Add(t.Timeout)
	}
	spec := (*llama.GrammarSpec)(nil)
	if len(t.Messages) == 0 {
		if req.Prompt, err = rawPrompt(engine, t); err != nil {
			return nil, err
		}
	} else {
		if err := run.render(req); err != nil {
			return nil, err
		}
		if spec = run.rendered.Grammar; run.schema != "" {
			spec = &llama.GrammarSpec{Schema: run.schema}
		}
		req.Stop = append(req.Stop, run.rendered.Stops...)
	}
	if t.Grammar != "" {
		spec = &llama.GrammarSpec{GBNF: t.Grammar}
	}
	if spec != nil {
		if req.Sampling.Grammar, err = engine.CompileGrammar(*spec); err != nil {
			return nil, grammarError(t, err)
		}
	}
	if t.Prediction != "" {
		if req.Prediction, err = engine.Tokenize(t.Prediction, false, false); err != nil {
			return nil, &FieldError{"prediction", err.Error()}
		}
	}
	if len(t.Before) > 0 {
		if err := checkTokens(engine, "context", t.Before); err != nil {
			return nil, err
		}
		req.Prompt = slices.Concat(t.Before, req.Prompt)
	}
	if run.shifts() {
		if err := run.mayShift(req); err != nil {
			return nil, err
		}
	}
	if t.Context {
		run.prompt = slices.Clone(req.Prompt)
	}
	if run.stream, err = engine.Submit(ctx, req); err != nil {
		return nil, err
	}
	return run, nil
}

// checkTokens refuses ids that the library would not survive.
func checkTokens(engine Engine, field string, tokens []inference.Token) error {
	size := engine.Info().VocabSize
	for i, t := range tokens {
		if t < 0 || int(t) >= size {
			return &FieldError{field, fmt.Sprintf("[%d]: %d is no token id, want 0 … %d", i, t, size-1)}
		}
	}
	return nil
}

// rawPrompt turns a completion's prompt into tokens. An empty one starts from
// the model's first token.
func rawPrompt(engine Engine, t Turn) ([]inference.Token, error) {
	if len(t.PromptTokens) > 0 {
		return t.PromptTokens, checkTokens(engine, "prompt", t.PromptTokens)
	}
	tokens, err := engine.Tokenize(t.Prompt, true, true)
	if err != nil {
		return nil, &FieldError{"prompt", err.Error()}
	}
	if len(tokens) == 0 {
		info := engine.Info()
		if info.BOS < 0 {
			return nil, &FieldError{"prompt", "must not be empty: this model has no token to start from"}
		}
		tokens = []inference.Token{info.BOS}
	}
	return tokens, nil
}

// render applies the chat template to history and messages. A history that has
// outgrown the context loses its older half, as often as that takes; a turn that may
// shift loses the oldest of its own messages too.
func (r *Run) render(req *inference.Request) error {
	t := &r.turn
	var history []llama.Message
	if t.Session != "" {
		history, _ = r.service.sessions.history(t.Namespace, t.Session) // none yet: a new conversation
	}
	if t.System != "" {
		history = slices.Insert(history[behindSystem(history):], 0, llama.Message{Role: "system", Content: t.System})
	}
	r.tools = newToolbox(r.engine, t)
	whole := 0
	for {
		kept := without(history, r.forget)
		r.messages = slices.Concat(kept, t.Messages)
		if err := r.tokenize(req); err != nil {
			return err
		}
		whole = max(whole, len(req.Prompt))
		left := len(kept) - behindSystem(kept)
		if left == 0 || len(req.Prompt)+r.reserve() < r.engine.ContextSize() {
			break
		}
		r.forget = len(history) - behindSystem(history) - left + (left+1)/2
	}
	for r.shifts() && len(req.Prompt) >= r.engine.ContextSize() && r.dropOldest(req) {
		if err := r.tokenize(req); err != nil {
			return err
		}
	}
	req.Truncated = max(whole-len(req.Prompt), 0)
	r.structured = r.tools != nil || r.rendered.Parser != "" && (len(t.Tools) > 0 || thinks(r.engine))
	// Special tokens that the parser needs to see must stay in the text.
	req.KeepSpecial = r.structured && r.tools == nil && len(r.rendered.Preserved) > 0
	return nil
}

// tokenize renders the messages and makes tokens of them.
func (r *Run) tokenize(req *inference.Request) error {
	in, err := r.input(r.messages)
	if err != nil {
		return err
	}
	if r.rendered, err = r.engine.Render(in); err != nil {
		return renderError(&r.turn, err)
	}
	if req.Prompt, err = r.engine.Tokenize(r.rendered.Prompt, !startsWithBOS(r.engine, r.rendered.Prompt), true); err != nil {
		return &FieldError{"messages", err.Error()}
	}
	return nil
}

// input is what the template is given for messages.
func (r *Run) input(messages []llama.Message) (llama.TemplateInput, error) {
	t := &r.turn
	in := llama.TemplateInput{
		Messages: messages, Tools: t.Tools, ToolChoice: t.ToolChoice,
		ParallelToolCalls: t.ParallelToolCalls, DisableThinking: t.DisableThinking,
	}
	var err error
	r.schema = t.Schema
	if r.tools != nil {
		in.Messages, in.Tools = r.tools.messages(in.Messages), nil
		if t.ToolChoice == llama.ToolRequired {
			if r.schema, err = r.tools.schema(); err != nil {
				return in, &FieldError{"tools", err.Error()}
			}
		}
	}
	if thinks(r.engine) || len(in.Tools) > 0 {
		r.schema, in.JSONSchema = "", r.schema
	}
	return in, nil
}

// thinks tells whether a model writes its reasoning in front of an answer: a
// grammar must then leave room for it, which the library takes care of. It also
// lets an answer stand in a code fence; where it need not, the schema's own
// grammar binds from the first token.
func thinks(e Engine) bool { return strings.Contains(e.Info().ChatTemplate, "<think>") }

// reserve is the room a kept conversation leaves for its answer, tokens.
func (r *Run) reserve() int {
	size := r.engine.ContextSize() / 4
	if n := r.turn.MaxTokens; n > 0 {
		return min(n, size)
	}
	return min(512, size)
}

func renderError(t *Turn, err error) error {
	switch {
	case errors.Is(err, llama.ErrSchema) && len(t.Tools) > 0 && t.Schema == "":
		return &FieldError{"tools", err.Error()}
	case errors.Is(err, llama.ErrSchema):
		return &FieldError{"response_format", err.Error()}
	}
	return &FieldError{"messages", err.Error()}
}

// startsWithBOS tells whether a template wrote the model's first token itself,
// which the tokenizer must then not add again.
func startsWithBOS(e Engine, prompt string) bool {
	info := e.Info()
	if !info.AddBOS || info.BOS < 0 {
		return true
	}
	return strings.HasPrefix(prompt, string(e.Piece(info.BOS, true)))
}

func grammarError(t Turn, err error) error {
	field := "grammar"
	switch {
	case len(t.Tools) > 0:
		field = "tools"
	case t.Schema != "":
		field = "response_format"
	}
	return &FieldError{field, err.Error()}
}
