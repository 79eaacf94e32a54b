package llama

import "errors"

// Token is an id in a model's vocabulary, 0 ≤ id < ModelInfo.VocabSize.
type Token = int32

// Pos is a position in a sequence, counted from 0.
type Pos = int32

// SeqID names one sequence in a context's memory, 0 ≤ id < ContextParams.Sequences.
type SeqID = int32

// MaxSequences is the most sequences of one context. llama.cpp keeps 256 apart at
// the pin (LLAMA_MAX_SEQ); the binding needs one of them itself.
const MaxSequences = 255

// Errors of loading; the message behind them names the file and the reason.
var (
	ErrModelFile    = errors.New("llama: model file cannot be used")
	ErrUnsupported  = errors.New("llama: not supported by this model")
	ErrNotBuilt     = errors.New("llama: built without the native library (cgo is off)")
	ErrContextAlloc = errors.New("llama: context cannot be created")
	ErrTemplate     = errors.New("llama: chat template failed")
	ErrGrammar      = errors.New("llama: grammar cannot be used")
	ErrSchema       = errors.New("llama: JSON schema cannot be used")
	ErrArgument     = errors.New("llama: bad argument")
)

// Errors of a step and of sequence memory.
var (
	// ErrNoCells means that no free cells were found; nothing was changed, so
	// the caller may free cells and repeat the step.
	ErrNoCells = errors.New("llama: no free cells in the KV cache")
	// ErrAborted means that Abort ended the decode; rows already in cells stay.
	ErrAborted = errors.New("llama: decode aborted")
	// ErrFatal means that the context must not be used again.
	ErrFatal = errors.New("llama: decode failed")
)

// KVType is the element type of the K or the V cache.
type KVType string

// The types that the pinned llama.cpp supports for both sides on a CPU.
const (
	KVF16  KVType = "f16"
	KVBF16 KVType = "bf16"
	KVF32  KVType = "f32"
	KVQ8   KVType = "q8_0"
	KVQ4   KVType = "q4_0"
)

// ModelParams says how to load a GGUF file.
type ModelParams struct {
	Path      string
	GPULayers int  // layers kept in GPU memory, −1 = all
	VocabOnly bool // tokenizer and metadata only, no weights
	MLock     bool // keep the weights from being swapped out
	Heads     bool // load layers for multi-token prediction too, see Model.Predicts
	// Progress is called on the loading goroutine with 0 … 1; false stops the
	// load. May be nil.
	Progress func(fraction float32) bool
}

// ModelInfo is what a GGUF file says of itself.
type ModelInfo struct {
	Path          string
	Name          string // general.name, may be empty
	Architecture  string // e.g. "llama", "phi3", "gemma3"
	Description   string // e.g. "llama 256M Q4_1"
	FileType      string // weight type, e.g. "Q4_1"
	SizeBytes     uint64 // bytes of all tensors
	Parameters    uint64
	ContextTrain  int // tokens the model was trained for
	Embedding     int // width of the residual stream
	Layers        int
	Heads         int
	HeadsKV       int
	VocabSize     int
	BOS, EOS      Token // −1 when the vocabulary has none
	EOT           Token
	EOG           []Token // every token that ends a generation
	AddBOS        bool
	ChatTemplate  string // Jinja source, empty when the file has none
	SlidingWindow int    // tokens, 0 = plain attention
	Recurrent     bool   // state-space model: no partial removal
	Hybrid        bool   // attention and state-space layers
	Encoder       bool   // has an encoder half: not servable as a chat model
}

// ContextParams says how large a context is and how it computes.
type ContextParams struct {
	Cells        int    // KV cells shared by all sequences
	Sequences    int    // sequence ids, at most MaxSequences; costs nothing but ids
	Batch        int    // most rows in one Step
	Ubatch       int    // most rows computed at once inside a Step
	Outputs      int    // most rows with logits in one Step
	Threads      int    // CPU threads for steps of few rows
	ThreadsBatch int    // CPU threads for steps of many rows, 0 = Threads
	TypeK, TypeV KVType // empty = f16
	FlashAttn    int    // −1 auto, 0 off, 1 on
	SWAFull      bool   // keep the whole window history, so that prefixes stay usable
	OffloadKV    bool   // KV cache in GPU memory when there is one
	// Ordered refuses steps whose Cells do not ascend with the position within a
	// sequence, and steps without Cells: see Batch.Cells.
	Ordered bool
	// Shortlist has the best tokens of a row found where the logits are computed,
	// and only them copied to the host. The tokens chosen are the same; a row that
	// they do not decide is copied whole. On a CPU it costs more than it saves.
	Shortlist bool
}

// LogitBias adds Bias to one token's logit; −Inf forbids the token.
type LogitBias struct {
	Token Token
	Bias  float32
}

// SamplingParams is one request's sampler chain, in llama.cpp's default order:
// bias, penalties, top-k, top-p, min-p, temperature, seeded choice.
// Temperature ≤ 0 is greedy.
type SamplingParams struct {
	Temperature      float32
	TopK             int     // ≤ 0 = off
	TopP             float32 // ≥ 1 = off
	MinP             float32 // ≤ 0 = off
	TypicalP         float32 // 0 or ≥ 1 = off
	RepeatPenalty    float32 // 0 or 1 = off
	FrequencyPenalty float32
	PresencePenalty  float32
	PenaltyLastN     int    // tokens looked back, 0 = 64, −1 = whole context
	Seed             uint32 // fixed by the caller; there is no "random" value here
	Bias             []LogitBias
	IgnoreEOG        bool
	Grammar          *Grammar // nil = free text
	Logprobs         int      // −1 = none, n ≥ 0 = the chosen token's and the n best others'
}

// GrammarSpec is a grammar before it is compiled.
type GrammarSpec struct {
	GBNF     string           // grammar text; root rule "root"
	Schema   string           // JSON schema in the place of GBNF
	Lazy     bool             // starts to bind when a trigger is generated
	Triggers []GrammarTrigger // only with Lazy
	// GenerationPrompt is text of the prompt that the grammar has already to
	// take as read (what a template puts behind the assistant header).
	GenerationPrompt string
	Preserved        []string // token texts that are parsed as special
	ToolCalls        bool     // made by a template for tool calls
}

// GrammarTrigger starts a lazy grammar.
type GrammarTrigger struct {
	Type  int    // common_grammar_trigger_type
	Value string // word, pattern
	Token Token  // for token triggers
}

// TokenLogprob is a token with the natural logarithm of its probability
// (softmax over the raw logits, before any sampler).
type TokenLogprob struct {
	Token   Token
	Logprob float32
}

// Message is one entry of a conversation as templates see it.
type Message struct {
	Role       string     // system, user, assistant, tool, developer
	Content    string     // text; parts are joined by the caller
	Name       string     // optional: a tool message's function
	ToolCallID string     // tool messages
	ToolCalls  []ToolCall // assistant messages
	Reasoning  string     // reasoning_content of an assistant message
}

// ToolCall is a call the assistant made.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // JSON text
}

// Tool is a function offered to the model.
type Tool struct {
	Name        string
	Description string
	Parameters  string // JSON schema text
}

// ToolChoice says whether the model must call a tool.
type ToolChoice int

// The values of ToolChoice. A named function is ToolRequired with that one
// tool left in the list.
const (
	ToolAuto ToolChoice = iota
	ToolRequired
	ToolNone
)

// TemplateInput is what a chat template is rendered from.
type TemplateInput struct {
	Messages           []Message
	Tools              []Tool
	ToolChoice         ToolChoice
	ParallelToolCalls  bool
	JSONSchema         string // response_format; "{}" = any JSON object
	NoGenerationPrompt bool   // leave out the assistant header at the end
	ContinueFinal      bool   // the last message is an assistant's to go on with
	DisableThinking    bool

	full bool // tests: never take the short path
}

// Rendered is a prompt and what the template implies for the answer.
type Rendered struct {
	Prompt  string       // to be tokenized with special tokens parsed
	Stops   []string     // additional stop strings
	Grammar *GrammarSpec // nil when the answer is free text
	// Preserved are special tokens whose text ParseOutput needs to see: Piece
	// with special true for these, false for the rest.
	Preserved []Token
	// Parser is an opaque description for ParseOutput; empty = plain content.
	Parser string
}

// ParsedOutput is a generated text taken apart.
type ParsedOutput struct {
	Content   string
	Reasoning string
	ToolCalls []ToolCall
}

// Group asks for sampling behind consecutive rows of a Batch: row First is the
// row after which the next token is wanted; each further row holds a drafted
// token, accepted as long as it equals what the sampler chose before it.
// With Rows == 1 this is plain sampling.
type Group struct {
	Sampler *Sampler
	First   int // index of the first row in the batch
	Rows    int // 1 + number of drafted tokens
	// Results of the step:
	Accepted int   // tokens produced, 1 … Rows (Accepted−1 drafted ones plus one new)
	Err      error // the grammar or sampler failed; only this group is hurt
}

// Batch is one step's rows and wishes. The caller keeps it and reuses it; a
// Step writes only Out, Logprobs and the result fields of Groups.
type Batch struct {
	Tokens []Token
	Pos    []Pos
	Seq    []SeqID
	Groups []Group
	// Cells are the KV cells that the rows go to, one a row; empty = llama.cpp
	// takes free ones where it likes. They must be free and different. Attention
	// adds up in the order of the cells, so a sequence whose cells ascend with the
	// position gets the same answer whoever else is in the buffer.
	Cells []int32
	// Out receives the produced tokens: group g's tokens start at
	// Out[Groups[g].First]. Step grows it to len(Tokens).
	Out []Token
	// Logprobs[i] belongs to Out[i]: the chosen token first, then the best
	// others; empty when not asked for.
	Logprobs [][]TokenLogprob
	// Timing of the last step, microseconds.
	DecodeMicros, SampleMicros int64
	// SampleThreads is on how many threads the groups were sampled.
	SampleThreads int
	// Listed is how many tokens of the last step were chosen from shortlists,
	// Whole how many rows had to be copied all the same; both 0 without Shortlist.
	Listed, Whole int
	// Reused says that the last step's compute graph was that of the step before:
	// nothing was built for it.
	Reused bool
	// HeadMicros is what the draft head took to read the step, beside DecodeMicros;
	// HeadLost that it failed and has forgotten what it read. The step is good then.
	HeadMicros int64
	HeadLost   bool
}

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() {
	b.Tokens, b.Pos, b.Seq, b.Groups, b.Cells = b.Tokens[:0], b.Pos[:0], b.Seq[:0], b.Groups[:0], b.Cells[:0]
}

// Add appends a row and returns its index.
func (b *Batch) Add(t Token, p Pos, s SeqID) int {
	b.Tokens, b.Pos, b.Seq = append(b.Tokens, t), append(b.Pos, p), append(b.Seq, s)
	return len(b.Tokens) - 1
}

// MemoryUse is a context's and its model's memory in bytes.
type MemoryUse struct {
	Weights, KV, Compute uint64
}

// DeviceInfo is one compute device llama.cpp sees.
type DeviceInfo struct {
	Name, Description, Kind string // Kind: "cpu", "gpu", "igpu", "accel"
	FreeBytes, TotalBytes   uint64
}
