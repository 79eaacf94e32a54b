//go:build cgo

package llama

// #include "shim.h"
// #include <stdlib.h>
import "C"

import "unsafe"

// UseModules loads the backends of a modular build: the best processor module
// in dir and, unless empty, the one module at path extra, such as CUDA's. Call it
// once before anything else of this package. When it fails for extra, which the
// error says why, the processor's module is loaded all the same. In a build that
// is not modular it does nothing.
func UseModules(dir, extra string) error {
	if !Modular {
		return nil
	}
	defer drainLog()
	cd, ce := C.CString(dir), C.CString(extra)
	defer C.free(unsafe.Pointer(cd))
	defer C.free(unsafe.Pointer(ce))
	var msg message
	doing := "loading the processor module from " + dir
	if extra != "" {
		doing = "loading " + extra
	}
	return failure(C.rp_modules(cd, ce, msg.ptr(), msg.size()), ErrUnsupported, doing, &msg)
}
