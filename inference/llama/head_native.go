//go:build cgo

package llama

// #include "shim.h"
// #cgo noescape rp_head_draft
// #cgo nocallback rp_head_draft
import "C"

import (
	"fmt"
	"slices"
	"unsafe"
)

// AttachHead gives the context a draft head: own's weights, or, with own nil, the
// layers for multi-token prediction that the context's model was loaded with
// (ModelParams.Heads). It may be done once, while no sequence is in memory; own may be closed
// before the context. Where the two do not fit together the error wraps
// ErrUnsupported and says why; the context is as it was then.
func (c *Context) AttachHead(own *Model, p HeadParams) (h Head, err error) {
	if p.Most == 0 {
		p.Most = 8
	}
	if p.Drafting == 0 {
		p.Drafting = min(c.params.Outputs, c.params.Sequences)
	}
	cp := C.rp_head_params{most: C.int32_t(p.Most), drafting: C.int32_t(p.Drafting), on_device: C.bool(p.OnDevice)}
	defer drainLog()
	err = c.use(func() error {
		var kind C.rp_head_kind
		var most C.int32_t
		attach := func(m *C.rp_model) error {
			code := C.rp_head_attach(c.c, m, &cp, &kind, &most, c.msg.ptr(), c.msg.size())
			return failure(code, ErrUnsupported, "attaching a draft head", &c.msg)
		}
		if own == nil {
			err = attach(nil)
		} else {
			err = own.native.use(attach)
		}
		h.Most = int(most)
		switch kind {
		case C.RP_HEAD_EAGLE3:
			h.Kind = EAGLE3
		case C.RP_HEAD_MTP:
			h.Kind = MTP
		case C.RP_HEAD_DFLASH:
			h.Kind = DFlash
		case C.RP_HEAD_DSPARK:
			h.Kind = DSpark
		}
		return err
	})
	return h, err
}

// FollowHead says whether the draft head reads the steps, as it does to begin with.
// A sequence that went on meanwhile is read from there on, without what came before.
func (c *Context) FollowHead(on bool) {
	_ = c.use(func() error {
		C.rp_head_follow(c.c, C.bool(on))
		return nil
	})
}

// Draft has the context's head guess how sequences go on. It is for the goroutine
// that steps the context, between two steps, and does not allocate once d has been
// used at its size. The context's own memory is not touched; an error means that
// there are no guesses, and the context is good all the same.
func (c *Context) Draft(d *Draft) error {
	n := len(d.Seq)
	d.Tokens, d.Probs = d.Tokens[:0], d.Probs[:0]
	if len(d.Last) != n || len(d.Pos) != n || len(d.Most) != n {
		return fmt.Errorf("%w: draft: %d sequences, %d tokens, %d positions, %d limits", ErrArgument, n, len(d.Last), len(d.Pos), len(d.Most))
	}
	if n == 0 {
		return nil
	}
	stride := int(max(slices.Max(d.Most), 0))
	d.count = slices.Grow(d.count[:0], n)[:n]
	d.out = slices.Grow(d.out[:0], n*stride)[:n*stride]
	d.prob = slices.Grow(d.prob[:0], n*stride)[:n*stride]
	defer drainLog()
	err := c.use(func() error {
		code := C.rp_head_draft(c.c, C.int32_t(n), C.int32_t(stride), (*C.int32_t)(unsafe.SliceData(d.Seq)), (*C.int32_t)(unsafe.SliceData(d.Last)),
			(*C.int32_t)(unsafe.SliceData(d.Pos)), (*C.int32_t)(unsafe.SliceData(d.Most)), (*C.int32_t)(unsafe.SliceData(d.count)),
			(*C.int32_t)(unsafe.SliceData(d.out)), (*C.float)(unsafe.SliceData(d.prob)), c.msg.ptr(), c.msg.size())
		return failure(code, ErrUnsupported, "drafting", &c.msg)
	})
	if err != nil {
		return err
	}
	for i := range n {
		at, k := i*stride, int(d.count[i])
		d.Tokens, d.Probs = append(d.Tokens, d.out[at:at+k]), append(d.Probs, d.prob[at:at+k])
	}
	return nil
}
