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

// Pin keeps the threads that compute the context's steps on some CPUs, each on its
// share of the list; with fewer CPUs than threads they share. Neighbours in the list
// should be near each other. The caller is the goroutine that steps the context,
// locked to its thread, and ends locked. Helpers that come up later go where they
// belong before the next step.
func (c *Context) Pin(cpus []int) error {
	if len(cpus) == 0 || len(cpus) > maxCPUs {
		return fmt.Errorf("%w: keeping threads on %d CPUs", ErrArgument, len(cpus))
	}
	list := make([]C.int32_t, len(cpus))
	for i, n := range cpus {
		list[i] = C.int32_t(n)
	}
	return c.use(func() error {
		if errno := C.rp_context_pin(c.c, unsafe.SliceData(list), C.int32_t(len(list))); errno != 0 {
			return fmt.Errorf("keeping threads on CPUs %v: %w", cpus, syscall.Errno(errno))
		}
		return nil
	})
}

const maxCPUs = 1024

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
