//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// SeqSaveSize is how many bytes SeqSaveTo needs for positions p0 … p1−1 of a
// sequence; p1 < 0 means to the end. It reads no cells.
func (c *Context) SeqSaveSize(seq SeqID, p0, p1 Pos) (n int, err error) {
	err = c.use(func() error {
		n, _, err = c.save(nil, seq, p0, p1)
		return err
	})
	return n, err
}

// SeqSaveTo writes positions p0 … p1−1 of a sequence, p1 < 0 to the end, into dst
// and returns the bytes used, at most SeqSaveSize. What is written is checksummed
// and fits any context with the same model, library version and KV types, in this
// process or another one. The pieces of a sequence may be saved at different
// times and are loaded in order. On a model with sliding windows a piece longer
// than the window leaves out what the window no longer reaches at its end.
func (c *Context) SeqSaveTo(dst []byte, seq SeqID, p0, p1 Pos) (n int, err error) {
	err = c.use(func() error {
		need, end, err := c.save(dst, seq, p0, p1)
		if err != nil {
			return err
		}
		if need > len(dst) {
			return fmt.Errorf("%w: saving sequence %d: %d bytes are needed, dst has %d", ErrArgument, seq, need, len(dst))
		}
		n = need
		sealState(dst[:n], c.fingerprint(), p0, end)
		return nil
	})
	return n, err
}

// save writes the body behind the header's place, when there is room for it, and
// returns what both need.
func (c *Context) save(dst []byte, seq SeqID, p0, p1 Pos) (need int, end Pos, err error) {
	if p1 < 0 {
		var least, most C.int32_t
		C.rp_seq_range(c.c, C.int32_t(seq), &least, &most)
		p1 = Pos(most) + 1
	}
	var body *C.uint8_t
	if len(dst) > stateHeader {
		body = (*C.uint8_t)(unsafe.Pointer(&dst[stateHeader]))
	}
	var n C.size_t
	code := C.rp_seq_save(c.c, C.int32_t(seq), C.int32_t(p0), C.int32_t(p1), body, C.size_t(max(0, len(dst)-stateHeader)), &n, c.msg.ptr(), c.msg.size())
	if code != C.RP_OK && code != C.RP_SMALL {
		return 0, 0, failure(code, ErrState, fmt.Sprintf("saving sequence %d", seq), &c.msg)
	}
	return stateHeader + int(n), p1, nil
}

// SeqSave is SeqSaveTo for a whole sequence, into memory of its own. Saving an
// empty sequence is an error.
func (c *Context) SeqSave(seq SeqID) ([]byte, error) {
	n, err := c.SeqSaveSize(seq, 0, -1)
	if err != nil {
		return nil, err
	}
	data := make([]byte, n)
	if _, err := c.SeqSaveTo(data, seq, 0, -1); err != nil {
		return nil, err
	}
	return data, nil
}

// StateRange checks a saved piece as far as that goes without loading it, and
// returns its positions, p0 … p1−1. Errors wrap ErrState.
func (c *Context) StateRange(data []byte) (p0, p1 Pos, err error) {
	if p0, p1, err = openState(data, c.fingerprint()); err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrState, err)
	}
	return p0, p1, nil
}

// SeqLoadAt appends a saved piece to a sequence, which must end where the piece
// begins. cells names a free cell for each position; nil = llama.cpp chooses,
// which a context with Ordered refuses. Data that is cut short, changed, or of
// another model, version or KV type is an error that wraps ErrState; ErrArgument
// is wrong positions or cells, ErrNoCells a lack of them. After an error the
// sequence ends where it did.
func (c *Context) SeqLoadAt(seq SeqID, data []byte, cells []int32) error {
	return c.use(func() error { return c.load(seq, data, cells) })
}

// SeqLoad replaces a sequence by what SeqSave gave, in cells of llama.cpp's
// choice. Data whose header or checksum is wrong leaves the sequence as it was;
// after other errors it is empty.
func (c *Context) SeqLoad(seq SeqID, data []byte) error {
	return c.use(func() error {
		p0, _, err := c.checkState(seq, data)
		if err != nil {
			return err
		}
		if p0 != 0 {
			return fmt.Errorf("%w: loading sequence %d: it begins at position %d", ErrArgument, seq, p0)
		}
		if code := C.rp_seq_remove(c.c, C.int32_t(seq), 0, -1, c.msg.ptr(), c.msg.size()); code != C.RP_OK {
			return failure(code, ErrFatal, fmt.Sprintf("loading sequence %d", seq), &c.msg)
		}
		return c.load(seq, data, nil)
	})
}

func (c *Context) checkState(seq SeqID, data []byte) (p0, p1 Pos, err error) {
	if p0, p1, err = openState(data, c.fingerprint()); err != nil {
		return 0, 0, fmt.Errorf("%w: loading sequence %d: %w", ErrState, seq, err)
	}
	return p0, p1, nil
}

func (c *Context) load(seq SeqID, data []byte, cells []int32) error {
	defer drainLog()
	p0, p1, err := c.checkState(seq, data)
	if err != nil {
		return err
	}
	if cells != nil && len(cells) != int(p1-p0) {
		return fmt.Errorf("%w: loading sequence %d: %d cells for %d positions", ErrArgument, seq, len(cells), p1-p0)
	}
	body := data[stateHeader:]
	code := C.rp_seq_load(c.c, C.int32_t(seq), C.int32_t(p0), C.int32_t(p1), (*C.uint8_t)(unsafe.Pointer(&body[0])), C.size_t(len(body)),
		(*C.int32_t)(unsafe.SliceData(cells)), c.msg.ptr(), c.msg.size())
	return failure(code, ErrState, fmt.Sprintf("loading sequence %d", seq), &c.msg)
}

// SeqMove moves positions p0 … end of a sequence into other cells, one for each
// position; cells that these positions hold alone may be among them. Cells shared
// with another sequence are copied, and stay the other's. After an error that is
// not ErrArgument the sequence ends at p0.
func (c *Context) SeqMove(seq SeqID, p0 Pos, cells []int32) error {
	defer drainLog()
	return c.use(func() error {
		code := C.rp_seq_move(c.c, C.int32_t(seq), C.int32_t(p0), (*C.int32_t)(unsafe.SliceData(cells)), C.int32_t(len(cells)), c.msg.ptr(), c.msg.size())
		return failure(code, ErrState, fmt.Sprintf("moving sequence %d from position %d on", seq, p0), &c.msg)
	})
}

// RunMove moves positions p0 … p0+len(cells)−1 of a sequence into other cells for every
// sequence that holds them. The cells, old and new, ascend, and no new one lies above
// the old one: so what stands behind stays above. After an error that is not
// ErrArgument the context is of no use any more.
func (c *Context) RunMove(seq SeqID, p0 Pos, cells []int32) error {
	defer drainLog()
	if len(cells) == 0 {
		return nil
	}
	return c.use(func() error {
		code := C.rp_run_move(c.c, C.int32_t(seq), C.int32_t(p0), C.int32_t(int(p0)+len(cells)), (*C.int32_t)(unsafe.SliceData(cells)), c.msg.ptr(), c.msg.size())
		return failure(code, ErrState, fmt.Sprintf("moving positions %d … %d of sequence %d and others", p0, int(p0)+len(cells), seq), &c.msg)
	})
}

// Fingerprint names all that a saved piece must fit to: the model's file, the
// library's version, the types and the parameters of the cells.
func (c *Context) Fingerprint() (print uint64) {
	_ = c.use(func() error { print = c.fingerprint(); return nil }) // 0 when it is closed
	return print
}

// fingerprint names everything that a saved state must fit to.
func (c *Context) fingerprint() uint64 {
	if c.print == 0 {
		c.print = stateFingerprint(&c.model.info, c.params, Version())
	}
	return c.print
}
