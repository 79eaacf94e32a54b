package inference

import "repartee/inference/llama"

// Model is the half of a loaded model that any goroutine may use.
// *llama.Model is one.
type Model interface {
	Info() llama.ModelInfo
	// Tokenize appends text's tokens to dst.
	Tokenize(dst []Token, text string, addSpecial, parseSpecial bool) ([]Token, error)
	// Piece returns a token's bytes, which the caller must not change; nil for
	// a control token unless special is set.
	Piece(t Token, special bool) []byte
	IsEOG(t Token) bool
	Render(llama.TemplateInput) (llama.Rendered, error)
	ParseOutput(r llama.Rendered, text string, partial bool) (llama.ParsedOutput, error)
	CompileGrammar(llama.GrammarSpec, llama.Budget) (*llama.Grammar, error)
	// NewSampler makes a request's sampler chain. A model without samplers of
	// its own may return nil.
	NewSampler(llama.SamplingParams) (*llama.Sampler, error)
}

// Context is the half that only the scheduler's thread uses, Abort excepted.
// *llama.Context is one.
type Context interface {
	// Step computes the batch's rows and samples its groups. It is all or
	// nothing: after an error no row of the batch is in memory.
	Step(*llama.Batch) error
	SeqCopy(src, dst llama.SeqID, p0, p1 llama.Pos) error
	SeqRemove(seq llama.SeqID, p0, p1 llama.Pos) error
	Clear() error
	SetThreads(n, nBatch int) error
	Abort()
	Close()
}

// Observer is told what happens, on the scheduler's thread: it must be quick
// and must not block.
type Observer interface {
	Step(engine string, rows int, micros int64)
	InterToken(engine string, micros int64)
	Finished(engine string, r Result)
	Rejected(engine, reason string)
}

// noObserver stands in where nobody listens.
type noObserver struct{}

func (noObserver) Step(string, int, int64)  {}
func (noObserver) InterToken(string, int64) {}
func (noObserver) Finished(string, Result)  {}
func (noObserver) Rejected(string, string)  {}
