//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// SeqCopy lets dst share the cells of src at positions p0 … p1−1; p1 < 0 means
// to the end. No data is copied. dst must end where the copy begins, so that its
// positions stay without gaps (as a rule it is empty and p0 is 0), or have a gap
// that the copy fills. Models with a
// recurrent state can only be copied whole.
func (c *Context) SeqCopy(src, dst SeqID, p0, p1 Pos) error {
	return c.use(func() error {
		code := C.rp_seq_copy(c.c, C.int32_t(src), C.int32_t(dst), C.int32_t(p0), C.int32_t(p1), c.msg.ptr(), c.msg.size())
		return failure(code, ErrUnsupported, fmt.Sprintf("copying sequence %d to %d", src, dst), &c.msg)
	})
}

// SeqRemove takes positions p0 … p1−1 out of a sequence; p1 < 0 means to the
// end, and what is not there is no error. Removing anything but the end leaves a
// gap that is only good for a sequence that will not be continued. An error that
// wraps ErrUnsupported means that nothing was removed: a recurrent state cannot
// be cut, a sliding window may be gone.
func (c *Context) SeqRemove(seq SeqID, p0, p1 Pos) error {
	return c.use(func() error {
		code := C.rp_seq_remove(c.c, C.int32_t(seq), C.int32_t(p0), C.int32_t(p1), c.msg.ptr(), c.msg.size())
		return failure(code, ErrUnsupported, fmt.Sprintf("removing %d … %d of sequence %d", p0, p1, seq), &c.msg)
	})
}

// SeqPosMin is the first position of a sequence in memory, −1 when it is empty.
// It is above 0 only where a sliding window has moved on.
func (c *Context) SeqPosMin(seq SeqID) Pos {
	least, _ := c.seqRange(seq)
	return least
}

// SeqPosMax is the last position of a sequence in memory, −1 when it is empty.
func (c *Context) SeqPosMax(seq SeqID) Pos {
	_, most := c.seqRange(seq)
	return most
}

func (c *Context) seqRange(seq SeqID) (least, most Pos) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c == nil {
		return -1, -1
	}
	var a, b C.int32_t
	C.rp_seq_range(c.c, C.int32_t(seq), &a, &b)
	return Pos(a), Pos(b)
}

// SeqCells appends the cells of positions p0 … p1−1 of a sequence to dst, in the
// order of positions; p1 < 0 means to the end. It looks at every cell in use: for
// tests and self-checks.
func (c *Context) SeqCells(dst []int32, seq SeqID, p0, p1 Pos) ([]int32, error) {
	if p1 < 0 {
		p1 = c.SeqPosMax(seq) + 1
	}
	if p0 < 0 || p0 > p1 {
		return dst, fmt.Errorf("%w: cells of sequence %d: positions %d … %d are no range", ErrArgument, seq, p0, p1)
	}
	cells := make([]int32, p1-p0)
	err := c.use(func() error {
		code := C.rp_seq_cells(c.c, C.int32_t(seq), C.int32_t(p0), C.int32_t(p1), (*C.int32_t)(unsafe.SliceData(cells)), c.msg.ptr(), c.msg.size())
		return failure(code, ErrUnsupported, fmt.Sprintf("cells of sequence %d", seq), &c.msg)
	})
	if err != nil {
		return dst, err
	}
	return append(dst, cells...), nil
}

// Clear empties every sequence.
func (c *Context) Clear() error {
	return c.use(func() error {
		return failure(C.rp_clear(c.c, c.msg.ptr(), c.msg.size()), ErrFatal, "clearing", &c.msg)
	})
}
