package tts

import "runtime"

// defaultThreads leaves large machines to others: more than four threads gain
// little for one clause.
func defaultThreads() int { return min(max(runtime.NumCPU(), 1), 4) }
