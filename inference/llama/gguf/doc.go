// Package gguf reads and writes the head of GGUF files, the container that
// language models come in: metadata, the list of tensors, where their data lie.
//
// Reading trusts nothing. Every count and length is checked against the bytes
// that are there before memory is taken for it, so a file of a few bytes cannot
// ask for gigabytes; what does not fit is an error that says where. Tensor data
// are never read. The package is pure Go and is used to look at a file before
// the native library does.
package gguf
