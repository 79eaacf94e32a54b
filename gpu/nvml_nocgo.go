//go:build !cgo

package gpu

// openNVML fails in a build without cgo: nothing can be opened there.
func openNVML(string) (library, error) { return nil, ErrNoLibrary }

// Preload fails in a build without cgo.
func Preload(string) error { return ErrNoLibrary }

// KeepSignals runs f; without cgo nothing replaces signal handlers.
func KeepSignals(f func()) int {
	f()
	return 0
}
