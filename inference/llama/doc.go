// Package llama is the binding to llama.cpp: the only caller of that library.
//
// A Model is a GGUF file in memory: tokenizer, chat template, grammars; all of
// it may be used from any goroutine. A Context is the KV cache and the compute
// graph over a model; one goroutine at a time may use it, best one that is
// locked to its thread. Context.Step is the whole hot path: one crossing into C
// checks a batch, decodes it and samples every group of it.
//
// Behind the package stands one shim (shim.h, shim/): plain C types, no C++
// exception leaves it, and no input reaches an assertion of the library, because
// everything is checked before. Built without cgo the package has the same API
// and every call that needs the library returns ErrNotBuilt.
package llama
