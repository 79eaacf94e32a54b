package inference

import "sync/atomic"

// resident counts the engines of the process.
var resident atomic.Int32

// rest lets what computed on this thread give its helper threads back until it
// computes again, if it has such: see llama.ReleaseThreads for what they cost
// the others. The caller is locked to its thread. v may be nil.
func rest(v any) {
	if r, ok := v.(interface{ Rest() }); ok {
		r.Rest()
	}
}
