//go:build cgo

package llama

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
)

// Context is a KV cache and a compute graph over a model. Calls are serialised,
// but it is meant for one goroutine, best one locked to its thread: OpenMP keeps
// a team of workers per calling thread. Abort alone is for other goroutines.
type Context struct {
	mu     sync.Mutex // one call at a time
	life   sync.Mutex // Abort against Close
	c      *C.rp_context
	model  *Model
	params ContextParams
	step   *C.rp_step
	groups []C.rp_group // in C memory, one for each possible output

	lpCount []int32
	lpToken []Token
	lpValue []float32
	msg     message
	print   uint64 // see fingerprint
}

// NewContext makes a context with one KV buffer that all sequences share. What
// cannot be allocated is an error that wraps ErrContextAlloc. The memory it
// takes is Memory's answer; beside it the library keeps the logits of Outputs
// rows in host memory.
func (m *Model) NewContext(p ContextParams) (*Context, error) {
	p, err := p.checked(&m.info)
	if err != nil {
		return nil, err
	}
	if err := p.fits(&m.info, Devices()); err != nil {
		return nil, err
	}
	defer drainLog()
	cp := C.rp_context_params{
		cells:         C.int32_t(p.Cells),
		sequences:     C.int32_t(p.Sequences),
		batch:         C.int32_t(p.Batch),
		ubatch:        C.int32_t(p.Ubatch),
		outputs:       C.int32_t(p.Outputs),
		threads:       C.int32_t(p.Threads),
		threads_batch: C.int32_t(p.ThreadsBatch),
		type_k:        C.int32_t(p.TypeK.code()),
		type_v:        C.int32_t(p.TypeV.code()),
		flash_attn:    C.int32_t(p.FlashAttn),
		swa_full:      C.bool(p.SWAFull),
		offload_kv:    C.bool(p.OffloadKV),
		ordered:       C.bool(p.Ordered),
		shortlist:     C.bool(p.Shortlist),
	}
	ctx := &Context{model: m, params: p}
	err = m.native.use(func(c *C.rp_model) error {
		code := C.rp_context_new(c, &cp, &ctx.c, ctx.msg.ptr(), ctx.msg.size())
		return failure(code, ErrContextAlloc, fmt.Sprintf("making a context of %d cells", p.Cells), &ctx.msg)
	})
	if err != nil {
		return nil, err
	}
	ctx.params.Cells = int(C.rp_context_cells(ctx.c))
	ctx.step = (*C.rp_step)(C.calloc(1, C.sizeof_rp_step))
	groups := (*C.rp_group)(C.calloc(C.size_t(p.Outputs), C.sizeof_rp_group))
	ctx.groups = unsafe.Slice(groups, p.Outputs)
	ctx.step.groups = groups
	return ctx, nil
}

// Params are the parameters as they came to be: defaults filled in and Cells
// rounded up by the library.
func (c *Context) Params() ContextParams { return c.params }

// Model is the context's model.
func (c *Context) Model() *Model { return c.model }

// Close frees the context. It waits for a call that is under way.
func (c *Context) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.Lock()
	defer c.life.Unlock()
	if c.c != nil {
		C.rp_context_free(c.c)
		C.free(unsafe.Pointer(c.step.groups))
		C.free(unsafe.Pointer(c.step))
		c.c = nil
	}
}

// use runs f while nobody else uses the context.
func (c *Context) use(f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c == nil {
		return errContextClosed
	}
	return f()
}

// Abort ends the Step that is running, which then returns ErrAborted, or else
// the next one. On a CPU it takes effect between two nodes of the graph, a
// millisecond or so; on a GPU only between two ubatches. Any goroutine may call
// it.
func (c *Context) Abort() {
	c.life.Lock()
	defer c.life.Unlock()
	if c.c != nil {
		C.rp_abort(c.c)
	}
}

// SetThreads says how many CPU threads the following steps use: n for steps of
// one row, nBatch for longer ones. It costs nothing.
func (c *Context) SetThreads(n, nBatch int) error {
	if n < 1 || nBatch < 1 || n > maxThreads || nBatch > maxThreads {
		return fmt.Errorf("%w: threads %d and %d must be 1 … %d", ErrArgument, n, nBatch, maxThreads)
	}
	return c.use(func() error {
		C.rp_set_threads(c.c, C.int32_t(n), C.int32_t(nBatch))
		return nil
	})
}

// samplingMode is how a step samples its groups.
type samplingMode int32

const (
	samplingPays     samplingMode = 0  // side by side where the samplers' costs say that it pays
	samplingTogether samplingMode = 1  // always side by side
	samplingSerial   samplingMode = -1 // one by one
)

// setSampling is for tests and benchmarks.
func (c *Context) setSampling(mode samplingMode) {
	_ = c.use(func() error {
		C.rp_set_sampling(c.c, C.int32_t(mode))
		return nil
	})
}

// Memory is what the weights, the KV cache and the compute buffers take, on all
// devices together.
func (c *Context) Memory() (use MemoryUse) {
	_ = c.use(func() error {
		var w, k, x C.uint64_t
		C.rp_memory(c.c, &w, &k, &x)
		use = MemoryUse{Weights: uint64(w), KV: uint64(k), Compute: uint64(x)}
		return nil
	})
	return use
}
