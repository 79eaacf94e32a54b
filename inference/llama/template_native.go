//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"sync"
	"unsafe"
)

// packers keeps the buffers that inputs are packed into.
var packers = sync.Pool{New: func() any { return new(packer) }}

// Render makes the prompt of a conversation with the model's own chat template,
// through llama.cpp's Jinja. The prompt is to be tokenized with addSpecial and
// parseSpecial both true: where the vocabulary adds a BOS itself, Render has
// taken the template's away, so that there is exactly one.
//
// Errors wrap ErrTemplate (an unknown role, a template that raises an exception,
// too much text) or ErrSchema.
func (m *Model) Render(in TemplateInput) (Rendered, error) {
	if err := in.check(); err != nil {
		return Rendered{}, err
	}
	p := packers.Get().(*packer)
	defer packers.Put(p)
	p.b = p.b[:0]
	in.pack(p)
	b, err := m.exchange(p.b, "rendering", func(c *C.rp_model, in *C.char, n C.size_t, out **C.char, outN *C.size_t, msg *message) C.rp_code {
		return C.rp_render(c, in, n, out, outN, msg.ptr(), msg.size())
	})
	if err != nil {
		return Rendered{}, err
	}
	r, err := unpackRendered(b)
	if r.Grammar != nil {
		r.Grammar.ToolCalls = len(in.Tools) > 0
	}
	return r, err
}

// ParseOutput takes a generated text apart into what a client sees, as the
// template that made r implies: tool calls, reasoning, content. partial says
// that more text will come; what is recognised so far is returned then. Text
// that does not fit is an error that wraps ErrTemplate.
func (m *Model) ParseOutput(r Rendered, text string, partial bool) (ParsedOutput, error) {
	if r.Parser == "" {
		return ParsedOutput{Content: text}, nil
	}
	p := packers.Get().(*packer)
	defer packers.Put(p)
	p.b = p.b[:0]
	p.text(r.Parser)
	p.text(valid(text))
	p.flag(partial)
	b, err := m.exchange(p.b, "reading the answer", func(c *C.rp_model, in *C.char, n C.size_t, out **C.char, outN *C.size_t, msg *message) C.rp_code {
		return C.rp_parse(c, in, n, out, outN, msg.ptr(), msg.size())
	})
	if err != nil {
		return ParsedOutput{}, err
	}
	return unpackParsed(b)
}

// exchange hands a packed request to the shim and returns the packed answer.
func (m *Model) exchange(in []byte, doing string, call func(c *C.rp_model, in *C.char, n C.size_t, out **C.char, outN *C.size_t, msg *message) C.rp_code) (b []byte, err error) {
	err = m.native.use(func(c *C.rp_model) error {
		var out *C.char
		var n C.size_t
		var msg message
		code := call(c, (*C.char)(unsafe.Pointer(unsafe.SliceData(in))), C.size_t(len(in)), &out, &n, &msg)
		if code != C.RP_OK {
			return fmt.Errorf("%w: %s: %s", ErrTemplate, doing, msg.String())
		}
		b = taken(out, n)
		return nil
	})
	return b, err
}

// setTemplate gives the model another template; for tests, before anything else
// uses it.
func (m *Model) setTemplate(source string) error {
	return m.native.use(func(c *C.rp_model) error {
		var msg message
		code := C.rp_model_set_template(c, (*C.char)(unsafe.Pointer(unsafe.StringData(source))), C.size_t(len(source)), msg.ptr(), msg.size())
		if code != C.RP_OK {
			return fmt.Errorf("%w: %s", ErrTemplate, msg.String())
		}
		return nil
	})
}
