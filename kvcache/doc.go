// Package kvcache decides which sequence holds which cells of a KV cache.
//
// All token runs that live in cells form a radix tree. A sequence is a path
// from a root to a node; sequences with a common beginning share its nodes and
// so its cells. A new request forks the longest path that matches its prompt
// (metadata only, no copy of data), extends it by what it computes, and leaves
// it behind for the next one. When cells run short, the idle leaves that are
// worth least are cut back. The tree also chooses the cell of every token: the
// cells of a path ascend with the position, which is what keeps an answer
// independent of what else is in the buffer.
//
// The package knows nothing of a model, of C or of requests. A Tree is used by
// one goroutine: the scheduler that owns the context.
package kvcache
