//go:build !cgo

package llama

import (
	"log/slog"
	"time"
)

// This file is the package without the library: the same API, whose calls say
// so. Everything above the binding is built and tested with it.

type nativeModel struct{}

// ReleaseThreads does nothing: nothing computes.
func ReleaseThreads() {}

// InitNUMA does nothing: nothing computes.
func InitNUMA(n NUMA) (several bool, err error) {
	_, err = n.code()
	return false, err
}

// Attentions returns zeros: nothing computes.
func Attentions() (own, library int64) { return 0, 0 }

// UseModules does nothing: it is LoadModel that says what is missing.
func UseModules(_, _ string) error { return nil }

// LoadModel returns ErrNotBuilt.
func LoadModel(ModelParams) (*Model, error) { return nil, ErrNotBuilt }

func rewrite(_, _, _ string, _ []int, _ int) error { return ErrNotBuilt }

// Close does nothing.
func (m *Model) Close() {}

// Tokenize returns ErrNotBuilt.
func (m *Model) Tokenize(dst []Token, _ string, _, _ bool) ([]Token, error) { return dst, ErrNotBuilt }

// Render returns ErrNotBuilt.
func (m *Model) Render(TemplateInput) (Rendered, error) { return Rendered{}, ErrNotBuilt }

// ParseOutput returns ErrNotBuilt.
func (m *Model) ParseOutput(Rendered, string, bool) (ParsedOutput, error) {
	return ParsedOutput{}, ErrNotBuilt
}

// Grammar is a compiled grammar; there are none here.
type Grammar struct{}

// CompileGrammar returns ErrNotBuilt.
func (m *Model) CompileGrammar(GrammarSpec, Budget) (*Grammar, error) { return nil, ErrNotBuilt }

// Close does nothing.
func (g *Grammar) Close() {}

// SchemaToGrammar returns ErrNotBuilt.
func SchemaToGrammar(string) (string, error) { return "", ErrNotBuilt }

// Sampler chooses tokens; there are none here.
type Sampler struct{}

// NewSampler returns ErrNotBuilt.
func (m *Model) NewSampler(SamplingParams) (*Sampler, error) { return nil, ErrNotBuilt }

// Accept returns ErrNotBuilt.
func (s *Sampler) Accept(...Token) error { return ErrNotBuilt }

// Close does nothing.
func (s *Sampler) Close() {}

func (s *Sampler) askAll() {}

// Context is a KV cache over a model; there are none here.
type Context struct{}

// Rest does nothing.
func (c *Context) Rest() {}

// Pin does nothing.
func (c *Context) Pin([]int) error { return nil }

type samplingMode int32

const (
	samplingPays     samplingMode = 0
	samplingTogether samplingMode = 1
	samplingSerial   samplingMode = -1
)

func (c *Context) setSampling(samplingMode) {}

// NewContext returns ErrNotBuilt.
func (m *Model) NewContext(ContextParams) (*Context, error) { return nil, ErrNotBuilt }

// Model is nil.
func (c *Context) Model() *Model { return nil }

// Params is empty.
func (c *Context) Params() ContextParams { return ContextParams{} }

// Step returns ErrNotBuilt.
func (c *Context) Step(*Batch) error { return ErrNotBuilt }

// ShortlistCost returns ErrNotBuilt.
func (m *Model) ShortlistCost(int) (device, host time.Duration, err error) {
	return 0, 0, ErrNotBuilt
}

// PinnedMemory returns nil: there is no GPU.
func PinnedMemory(int) []byte { return nil }

// FreePinned does nothing.
func FreePinned([]byte) {}

// SeqCopy returns ErrNotBuilt.
func (c *Context) SeqCopy(_, _ SeqID, _, _ Pos) error { return ErrNotBuilt }

// SeqRemove returns ErrNotBuilt.
func (c *Context) SeqRemove(SeqID, Pos, Pos) error { return ErrNotBuilt }

// SeqPosMin is −1: every sequence is empty.
func (c *Context) SeqPosMin(SeqID) Pos { return -1 }

// SeqPosMax is −1: every sequence is empty.
func (c *Context) SeqPosMax(SeqID) Pos { return -1 }

// SeqCells returns ErrNotBuilt.
func (c *Context) SeqCells(dst []int32, _ SeqID, _, _ Pos) ([]int32, error) { return dst, ErrNotBuilt }

// Clear returns ErrNotBuilt.
func (c *Context) Clear() error { return ErrNotBuilt }

// SeqSave returns ErrNotBuilt.
func (c *Context) SeqSave(SeqID) ([]byte, error) { return nil, ErrNotBuilt }

// SeqLoad returns ErrNotBuilt.
func (c *Context) SeqLoad(SeqID, []byte) error { return ErrNotBuilt }

// SeqSaveSize returns ErrNotBuilt.
func (c *Context) SeqSaveSize(SeqID, Pos, Pos) (int, error) { return 0, ErrNotBuilt }

// SeqSaveTo returns ErrNotBuilt.
func (c *Context) SeqSaveTo([]byte, SeqID, Pos, Pos) (int, error) { return 0, ErrNotBuilt }

// StateRange returns ErrNotBuilt.
func (c *Context) StateRange([]byte) (p0, p1 Pos, err error) { return 0, 0, ErrNotBuilt }

// SeqLoadAt returns ErrNotBuilt.
func (c *Context) SeqLoadAt(SeqID, []byte, []int32) error { return ErrNotBuilt }

// Fingerprint is 0: nothing can be saved.
func (c *Context) Fingerprint() uint64 { return 0 }

// AttachHead returns ErrNotBuilt.
func (c *Context) AttachHead(*Model, HeadParams) (Head, error) { return Head{}, ErrNotBuilt }

// FollowHead does nothing.
func (c *Context) FollowHead(bool) {}

// Draft returns ErrNotBuilt.
func (c *Context) Draft(*Draft) error { return ErrNotBuilt }

// SeqMove returns ErrNotBuilt.
func (c *Context) SeqMove(SeqID, Pos, []int32) error { return ErrNotBuilt }

// RunMove returns ErrNotBuilt.
func (c *Context) RunMove(SeqID, Pos, []int32) error { return ErrNotBuilt }

// SetThreads returns ErrNotBuilt.
func (c *Context) SetThreads(_, _ int) error { return ErrNotBuilt }

// Abort does nothing.
func (c *Context) Abort() {}

// Memory is zero.
func (c *Context) Memory() MemoryUse { return MemoryUse{} }

// Close does nothing.
func (c *Context) Close() {}

// Embedder computes embeddings; there are none here.
type Embedder struct{}

// NewEmbedder returns ErrNotBuilt.
func (m *Model) NewEmbedder(EmbedderParams) (*Embedder, error) { return nil, ErrNotBuilt }

// Width is 0.
func (e *Embedder) Width() int { return 0 }

// MaxTokens is 0.
func (e *Embedder) MaxTokens() int { return 0 }

// Embed returns ErrNotBuilt.
func (e *Embedder) Embed(dst []float32, _ []Token) ([]float32, error) { return dst, ErrNotBuilt }

// Close does nothing.
func (e *Embedder) Close() {}

// SetLogger does nothing.
func SetLogger(l *slog.Logger) { logger.Store(l) }

// Devices is empty.
func Devices() []DeviceInfo { return nil }

// Version is empty.
func Version() string { return "" }

// Build is empty.
func Build() string { return "" }

// SystemInfo is empty.
func SystemInfo() string { return "" }
