// Package invariants switches expensive self-checks on by the build tag
// "invariants" (go test -tags invariants ./...). Code asks
//
//	if invariants.Enabled { t.check() }
//
// and pays nothing in an ordinary build.
package invariants
