package cpuset

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// atStart is what the process might use before any of its threads was kept
// anywhere: the Go runtime may run a pinned goroutine on the main thread too.
var atStart = affinity(os.Getpid())

// Allowed is what the process may use, by the affinity that it was started with.
func Allowed() Set { return atStart }

// affinity is a thread's mask, 0 being the caller's.
func affinity(thread int) Set {
	var mask unix.CPUSet
	if err := unix.SchedGetaffinity(thread, &mask); err != nil {
		return online() // more CPUs than a mask of the usual size has
	}
	var s Set
	for c := range maxCPU {
		if mask.IsSet(c) {
			s = append(s, c)
		}
	}
	return s
}

// Pin keeps the calling OS thread, and those that it starts, on some CPUs; the
// empty set leaves it alone. The caller is locked to the thread and ends locked, or
// pins it back.
func Pin(s Set) error {
	if len(s) == 0 {
		return nil
	}
	var mask unix.CPUSet
	for _, c := range s {
		mask.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &mask); err != nil {
		return fmt.Errorf("keeping a thread on CPUs %s: %w", s, err)
	}
	return nil
}

// Do runs f on some CPUs, together with the threads that f starts, and puts the
// thread back afterwards. With the empty set it only calls f. An error is Pin's, and
// f has not run then.
func Do(s Set, f func()) error {
	if len(s) == 0 {
		f()
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := affinity(0)
	if err := Pin(s); err != nil {
		return err
	}
	defer func() { _ = Pin(before) }() // it was there before
	f()
	return nil
}
