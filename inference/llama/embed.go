package llama

import (
	"fmt"
	"runtime"
)

// EmbedderParams is the size of an embedder; zero values stand for what fits the
// model and the machine.
type EmbedderParams struct {
	Tokens  int // longest text, at most what the model was trained for
	Threads int

	chunk int // rows computed at once; tests
}

// embedChunk bounds the memory for hidden states and logits of a chunk; more rows
// at once are no faster.
const embedChunk = 128

func (p EmbedderParams) checked(m *ModelInfo) (EmbedderParams, error) {
	if m.Encoder || m.Recurrent || m.Hybrid || m.Layers == 0 || m.SizeBytes == 0 {
		return p, fmt.Errorf("%w: embeddings need a model that generates text with attention, %q is none", ErrUnsupported, m.Architecture)
	}
	if p.Tokens == 0 {
		p.Tokens = min(max(m.ContextTrain, 512), 8192)
	}
	if p.Threads == 0 {
		p.Threads = runtime.NumCPU()
	}
	if p.chunk == 0 {
		p.chunk = embedChunk
	}
	if p.Tokens < 1 || p.Tokens > 1<<20 || p.Threads < 1 || p.Threads > maxThreads {
		return p, fmt.Errorf("%w: embedder of %d tokens with %d threads: want 1 … %d and 1 … %d", ErrArgument, p.Tokens, p.Threads, 1<<20, maxThreads)
	}
	return p, nil
}
