//go:build cgo

package llama

// #include "shim.h"
import "C"

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

// Rest is ReleaseThreads for the goroutine that owns the context.
func (c *Context) Rest() { ReleaseThreads() }

// Rest is ReleaseThreads for the goroutine that uses the embedder.
func (e *Embedder) Rest() { ReleaseThreads() }
