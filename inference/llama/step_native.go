//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// Step computes a batch and samples its groups, in one crossing into C and
// without allocating once the batch has been used at its size. Groups are sampled
// side by side, on the threads of the graph, where that pays; their tokens are the
// same however many threads there are.
//
// Rows of one sequence must be in order and continue it without a gap: the first
// has the position after the sequence's last one in memory (SeqPosMax + 1). Each
// group needs a sampler of its own; a group with drafted rows (Rows > 1) must
// hold the last rows of its sequence.
//
// Afterwards Out, Logprobs and the groups' Accepted and Err are filled in, and
// the memory of a group's sequence ends behind its last accepted drafted token:
// rows with refused ones are taken out again by Step. A group that failed (Err)
// keeps its first row. The token sampled last is not in memory; it is the
// caller's next row.
//
// Errors, by errors.Is: ErrArgument, ErrNoCells and ErrAborted leave the memory
// as it was before the call (recurrent models cannot do that when aborted: the
// sequences of the batch are then empty). After ErrFatal the context can only be
// closed.
func (c *Context) Step(b *Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c == nil {
		return errContextClosed
	}
	rows := len(b.Tokens)
	if len(b.Pos) != rows || len(b.Seq) != rows {
		return fmt.Errorf("%w: step: %d tokens, %d positions, %d sequences", ErrArgument, rows, len(b.Pos), len(b.Seq))
	}
	if n := len(b.Cells); n != rows && (n > 0 || c.params.Ordered) {
		return fmt.Errorf("%w: step: %d cells for %d rows", ErrArgument, n, rows)
	}
	if rows == 0 || rows > c.params.Batch {
		return fmt.Errorf("%w: step: %d rows, the context takes 1 … %d", ErrArgument, rows, c.params.Batch)
	}
	if len(b.Groups) > len(c.groups) {
		return fmt.Errorf("%w: step: %d groups, the context has %d outputs", ErrArgument, len(b.Groups), len(c.groups))
	}
	stride, err := c.fillGroups(b)
	if err != nil {
		return err
	}
	if cap(b.Out) < rows {
		b.Out = make([]Token, rows, c.params.Batch)
	}
	b.Out = b.Out[:rows]
	if n := rows * stride; len(c.lpToken) < n || len(c.lpCount) < rows && stride > 0 {
		c.lpCount, c.lpToken, c.lpValue = make([]int32, c.params.Batch), make([]Token, n), make([]float32, n)
	}
	c.step.rows = C.int32_t(rows)
	c.step.n_groups = C.int32_t(len(b.Groups))
	c.step.lp_stride = C.int32_t(stride)

	var cells *C.int32_t
	if len(b.Cells) > 0 {
		cells = (*C.int32_t)(unsafe.SliceData(b.Cells))
	}
	code := C.rp_context_step(c.c, c.step, (*C.int32_t)(unsafe.SliceData(b.Tokens)), (*C.int32_t)(unsafe.SliceData(b.Pos)),
		(*C.int32_t)(unsafe.SliceData(b.Seq)), cells, (*C.int32_t)(unsafe.SliceData(b.Out)), (*C.int32_t)(unsafe.SliceData(c.lpCount)),
		(*C.int32_t)(unsafe.SliceData(c.lpToken)), (*C.float)(unsafe.SliceData(c.lpValue)), c.msg.ptr(), c.msg.size())
	drainLog()
	if code != C.RP_OK {
		return failure(code, ErrFatal, "step", &c.msg)
	}
	b.DecodeMicros, b.SampleMicros = int64(c.step.decode_us), int64(c.step.sample_us)
	b.SampleThreads = int(c.step.threads)
	b.Listed, b.Whole, b.Reused = int(c.step.listed), int(c.step.whole), bool(c.step.reused)
	b.HeadMicros, b.HeadLost = int64(c.step.head_us), bool(c.step.head_lost)
	c.readGroups(b)
	c.readLogprobs(b, rows, stride)
	return nil
}

// fillGroups writes the wishes into C memory and returns how many logprobs a row
// may have.
func (c *Context) fillGroups(b *Batch) (stride int, err error) {
	for i := range b.Groups {
		g := &b.Groups[i]
		g.Accepted, g.Err = 0, nil
		if g.Sampler == nil || g.Sampler.c == nil {
			return 0, fmt.Errorf("%w: step: group %d has no open sampler", ErrArgument, i)
		}
		if g.First < 0 || g.Rows < 1 || g.First >= len(b.Tokens) || g.Rows > len(b.Tokens)-g.First {
			return 0, fmt.Errorf("%w: step: group %d: rows %d + %d are not in the batch of %d", ErrArgument, i, g.First, g.Rows, len(b.Tokens))
		}
		stride = max(stride, g.Sampler.logprobs+1)
		c.groups[i] = C.rp_group{sampler: g.Sampler.c, first: C.int32_t(g.First), rows: C.int32_t(g.Rows)}
	}
	return stride, nil
}

func (c *Context) readGroups(b *Batch) {
	for i := range b.Groups {
		g := &b.Groups[i]
		g.Accepted = int(c.groups[i].accepted)
		if c.groups[i].failed != 0 {
			C.rp_group_error(c.c, C.int32_t(i), c.msg.ptr(), c.msg.size())
			kind := ErrArgument
			if g.Sampler.grammar {
				kind = ErrGrammar
			}
			g.Err = fmt.Errorf("%w: sampling: %s", kind, c.msg.String())
		}
	}
}

// readLogprobs turns the flat arrays into one slice a row, reusing the slices.
func (c *Context) readLogprobs(b *Batch, rows, stride int) {
	if stride == 0 {
		b.Logprobs = b.Logprobs[:0]
		return
	}
	if cap(b.Logprobs) < rows {
		b.Logprobs = append(b.Logprobs[:cap(b.Logprobs)], make([][]TokenLogprob, rows-cap(b.Logprobs))...)
	}
	b.Logprobs = b.Logprobs[:rows]
	for i := range b.Logprobs {
		b.Logprobs[i] = b.Logprobs[i][:0]
		for k := i * stride; k < i*stride+int(c.lpCount[i]); k++ {
			b.Logprobs[i] = append(b.Logprobs[i], TokenLogprob{Token: c.lpToken[k], Logprob: c.lpValue[k]})
		}
	}
}
