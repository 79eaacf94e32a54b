//go:build cgo

package llama

// #include <stdbool.h>
// #include <stdint.h>
import "C"

import "runtime/cgo"

// rp_go_progress is how a load tells its Go caller how far it is. A panic in the
// caller's function must not unwind through C, so it stops the load instead.
//
//export rp_go_progress
func rp_go_progress(handle C.uintptr_t, fraction C.float) (goOn C.bool) {
	defer func() {
		if recover() != nil {
			goOn = false
		}
	}()
	return C.bool(cgo.Handle(handle).Value().(func(float32) bool)(float32(fraction)))
}
