// Package tier keeps what was computed after it had to leave the KV cells: first
// in host memory, then in files.
//
// A path of tokens is cut at every Block positions. Each piece is one saved run of
// at most Block tokens; the pieces of a namespace form a tree, so that what
// conversations have in common is kept once. A piece may end early, and one that
// only begins like a prompt serves it as far as it goes. Pieces leave a tier by
// value: what it costs to compute one again, times how often it was wanted, on a
// clock that makes old favourites age.
//
// A file holds one piece with the fingerprint of everything its bytes depend on, its
// tokens and two checksums, and gets its name only when it is complete: a process
// that is killed at any instant leaves complete files and one that is thrown away at
// the next start. Nothing that fails a check is ever handed out.
//
// The package knows nothing of a model, of C or of requests. A Store may be used
// from any goroutine; one goroutine of its own reads and writes files.
package tier
