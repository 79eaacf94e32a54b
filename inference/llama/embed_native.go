//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
)

// Embedder turns texts into vectors: the mean of the hidden states behind a
// generating model's last layer, scaled to length 1. It has a small context of its
// own, so it does not wait for the one that answers. Calls are serialised.
type Embedder struct {
	mu     sync.Mutex
	c      *C.rp_embedder
	width  int
	tokens int
}

// NewEmbedder makes an embedder; models with an encoder are ErrUnsupported.
func (m *Model) NewEmbedder(p EmbedderParams) (*Embedder, error) {
	p, err := p.checked(&m.info)
	if err != nil {
		return nil, err
	}
	defer drainLog()
	e := &Embedder{tokens: p.Tokens}
	err = m.native.use(func(c *C.rp_model) error {
		var msg message
		code := C.rp_embedder_new(c, C.int32_t(p.Tokens), C.int32_t(p.chunk), C.int32_t(p.Threads), &e.c, msg.ptr(), msg.size())
		return failure(code, ErrContextAlloc, fmt.Sprintf("making an embedder of %d tokens", p.Tokens), &msg)
	})
	if err != nil {
		return nil, err
	}
	e.width = int(C.rp_embedder_width(e.c))
	return e, nil
}

// Width is how many numbers a vector has.
func (e *Embedder) Width() int { return e.width }

// MaxTokens is the longest text that Embed takes.
func (e *Embedder) MaxTokens() int { return e.tokens }

// Embed appends the vector of a text's tokens to dst. It takes as long as reading
// a prompt of that length. No tokens, too many, or ones outside the vocabulary are
// an error that wraps ErrArgument.
func (e *Embedder) Embed(dst []float32, tokens []Token) ([]float32, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.c == nil {
		return dst, fmt.Errorf("%w: the embedder is closed", ErrArgument)
	}
	if len(tokens) == 0 || len(tokens) > e.tokens {
		return dst, fmt.Errorf("%w: embedding %d tokens: 1 … %d are taken", ErrArgument, len(tokens), e.tokens)
	}
	defer drainLog()
	at := len(dst)
	dst = append(dst, make([]float32, e.width)...)
	var msg message
	code := C.rp_embed(e.c, (*C.int32_t)(unsafe.SliceData(tokens)), C.int32_t(len(tokens)), (*C.float)(unsafe.Pointer(&dst[at])), msg.ptr(), msg.size())
	if code != C.RP_OK {
		return dst[:at], failure(code, ErrFatal, "embedding", &msg)
	}
	return dst, nil
}

// Close frees the embedder. It waits for a call that is under way.
func (e *Embedder) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.c != nil {
		C.rp_embedder_free(e.c)
		e.c = nil
	}
}
