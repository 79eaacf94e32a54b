//go:build cgo

package llama

// #include "shim.h"
import "C"

import "unsafe"

// PinnedMemory returns n bytes of host memory that a GPU copies to and from
// directly, a copy in the driver saved; nil where there is no GPU or its driver
// gives none. The collector knows nothing of it. Any goroutine may call it; it
// takes about a millisecond for 8 MiB.
func PinnedMemory(n int) []byte {
	if n < 1 {
		return nil
	}
	p := C.rp_host_alloc(C.size_t(n))
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), n)
}

// FreePinned gives memory of PinnedMemory back. Other memory is a bug of the
// caller and panics.
func FreePinned(b []byte) {
	if !C.rp_host_free(unsafe.Pointer(unsafe.SliceData(b))) {
		panic("llama: FreePinned: not memory of PinnedMemory")
	}
}
