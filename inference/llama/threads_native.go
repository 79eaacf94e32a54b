//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"sync"
	"syscall"
	"unsafe"
)

// ReleaseThreads ends the helper threads that computing on the calling OS thread
// has started; the next computation there starts them again, in some 0.1 ms. The
// caller should be locked to its thread.
//
// OpenMP keeps a team of helpers for every thread that ever computed, and once
// there are more of them in the process than processors, it lets all of them
// sleep at a barrier almost at once instead of spinning: hundreds of wake-ups a
// step, which made decoding 1.5 times slower. So whoever computes only now and
// then gives its team back.
func ReleaseThreads() { C.rp_threads_release() }

// PinThreads keeps the calling OS thread and the threads-1 helpers that computing
// on it has, or will have, on some CPUs. The caller is locked to its thread and ends
// locked. threads is what SetThreads was told last: OpenMP ends helpers above that
// number, and new ones come up where the caller is. cpus must not be empty.
func PinThreads(threads int, cpus []int) error {
	if len(cpus) == 0 || threads < 1 || threads > maxThreads {
		return fmt.Errorf("%w: keeping %d threads on %d CPUs", ErrArgument, threads, len(cpus))
	}
	list := make([]C.int32_t, len(cpus))
	for i, c := range cpus {
		list[i] = C.int32_t(c)
	}
	if errno := C.rp_threads_pin(C.int32_t(threads), unsafe.SliceData(list), C.int32_t(len(list))); errno != 0 {
		return fmt.Errorf("keeping %d threads on CPUs %v: %w", threads, cpus, syscall.Errno(errno))
	}
	return nil
}

// Pin is PinThreads for the goroutine that owns the context.
func (c *Context) Pin(threads int, cpus []int) error { return PinThreads(threads, cpus) }

// numa is the strategy of the process.
var numa struct {
	sync.Mutex
	set     NUMA
	several bool
}

// InitNUMA tells the library how to place threads and memory on a machine with several
// memory nodes. It must come before the first model, and the first strategy is kept:
// another one later is an error. It returns whether the library sees several nodes;
// on a machine with one it changes nothing.
func InitNUMA(n NUMA) (several bool, err error) {
	code, err := n.code()
	if err != nil || code == 0 {
		return false, err
	}
	numa.Lock()
	defer numa.Unlock()
	if numa.set != "" {
		if numa.set != n {
			return false, fmt.Errorf("%w: NUMA strategy %q: the process has %q already", ErrArgument, n, numa.set)
		}
		return numa.several, nil
	}
	numa.several, numa.set = bool(C.rp_numa(C.int32_t(code))), n
	drainLog()
	return numa.several, nil
}

// Rest is ReleaseThreads for the goroutine that owns the context.
func (c *Context) Rest() { ReleaseThreads() }

// Rest is ReleaseThreads for the goroutine that uses the embedder.
func (e *Embedder) Rest() { ReleaseThreads() }
