//go:build cgo

package llama

// #include "shim.h"
// #include <stdlib.h>
import "C"

import (
	"fmt"
	"unsafe"
)

// rewrite calls the library; everything was checked before.
func rewrite(in, out, weightType string, drop []int, threads int) error {
	defer drainLog()
	from, to := C.CString(in), C.CString(out)
	defer C.free(unsafe.Pointer(from))
	defer C.free(unsafe.Pointer(to))
	var kind *C.char
	if weightType != "" {
		kind = C.CString(weightType)
		defer C.free(unsafe.Pointer(kind))
	}
	layers := make([]C.int32_t, len(drop), len(drop)+1) // never without memory to point to
	for i, l := range drop {
		layers[i] = C.int32_t(l)
	}
	var msg message
	code := C.rp_quantize(from, to, kind, unsafe.SliceData(layers), C.int32_t(len(layers)), C.int32_t(threads), msg.ptr(), msg.size())
	return failure(code, ErrModelFile, fmt.Sprintf("writing %q", out), &msg)
}
