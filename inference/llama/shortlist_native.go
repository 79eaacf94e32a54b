//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"time"
)

// ShortlistCost measures what the best tokens of rows many rows take: found on the
// device that computes the logits, or on the host after all logits were copied
// there, without what either way takes to choose one of them. device is 0 where
// the device cannot find them. It takes some milliseconds and as much of the
// device's memory as the logits of so many rows. Errors wrap ErrUnsupported.
func (m *Model) ShortlistCost(rows int) (device, host time.Duration, err error) {
	if rows < 1 || rows > maxShortlistRows {
		return 0, 0, fmt.Errorf("%w: %d rows are outside 1 … %d", ErrArgument, rows, maxShortlistRows)
	}
	err = m.native.use(func(c *C.rp_model) error {
		var d, h C.int64_t
		var msg message
		code := C.rp_shortlist_cost(c, C.int32_t(rows), &d, &h, msg.ptr(), msg.size())
		device, host = time.Duration(d)*time.Microsecond, time.Duration(h)*time.Microsecond
		return failure(code, ErrUnsupported, "trying the choice of tokens on the device", &msg)
	})
	drainLog()
	return device, host, err
}

const maxShortlistRows = 1024
