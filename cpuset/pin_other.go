//go:build !linux

package cpuset

import (
	"errors"
	"runtime"
)

// Allowed is what the process may use: all there is.
func Allowed() Set { return online() }

// Pin is an error where it would have to do something: threads stay where the system
// puts them.
func Pin(s Set) error {
	if len(s) == 0 {
		return nil
	}
	return errors.New("keeping threads on CPUs works on Linux only, not on " + runtime.GOOS)
}

// Do runs f; with CPUs given it fails as Pin does.
func Do(s Set, f func()) error {
	if err := Pin(s); err != nil {
		return err
	}
	f()
	return nil
}
