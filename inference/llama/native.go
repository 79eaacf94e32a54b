//go:build cgo

package llama

/*
#include "shim.h"
#include <stdlib.h>

#cgo noescape rp_context_step
#cgo nocallback rp_context_step
#cgo noescape rp_group_error
#cgo nocallback rp_group_error
#cgo noescape rp_tokenize
#cgo nocallback rp_tokenize
#cgo noescape rp_seq_range
#cgo nocallback rp_seq_range
#cgo noescape rp_seq_copy
#cgo nocallback rp_seq_copy
#cgo noescape rp_seq_remove
#cgo nocallback rp_seq_remove
#cgo noescape rp_seq_cells
#cgo nocallback rp_seq_cells
#cgo noescape rp_sampler_accept
#cgo nocallback rp_sampler_accept
#cgo nocallback rp_log_pending
#cgo nocallback rp_abort
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// message is the buffer for one line of explanation from the shim.
type message [1024]byte

func (m *message) ptr() *C.char   { return (*C.char)(unsafe.Pointer(&m[0])) }
func (m *message) size() C.size_t { return C.size_t(len(m)) }

func (m *message) String() string {
	for i, b := range m {
		if b == 0 {
			return string(m[:i])
		}
	}
	return string(m[:])
}

// failure turns a code of the shim into an error: kind says what became of the
// operation when the library refused it, doing names it.
func failure(code C.rp_code, kind error, doing string, m *message) error {
	switch code {
	case C.RP_OK:
		return nil
	case C.RP_NO_CELLS:
		kind = ErrNoCells
	case C.RP_ABORTED:
		kind = ErrAborted
	case C.RP_ARGUMENT:
		kind = ErrArgument
	case C.RP_FATAL:
		if kind == nil {
			kind = ErrFatal
		}
	}
	if kind == nil {
		kind = ErrFatal
	}
	if why := m.String(); why != "" {
		return fmt.Errorf("%w: %s: %s", kind, doing, why)
	}
	return fmt.Errorf("%w: %s", kind, doing)
}

// taken copies memory that the shim allocated and frees it.
func taken(p *C.char, n C.size_t) []byte {
	if p == nil {
		return nil
	}
	b := C.GoBytes(unsafe.Pointer(p), C.int(n))
	C.rp_free(unsafe.Pointer(p))
	return b
}
