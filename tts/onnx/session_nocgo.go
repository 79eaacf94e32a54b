//go:build !cgo

package onnx

import "context"

// Open always fails in a build without cgo.
func Open(path string) error { return ErrNoRuntime }

// Version is empty in a build without cgo.
func Version() string { return "" }

// Session cannot be made in a build without cgo.
type Session struct{}

// NewSession always fails in a build without cgo.
func NewSession(data []byte, inputs, outputs []string, o Options) (*Session, error) {
	return nil, ErrNoRuntime
}

// Close does nothing.
func (s *Session) Close() {}

// Run always fails in a build without cgo.
func (s *Session) Run(ctx context.Context, in ...Tensor) ([]Tensor, error) {
	return nil, ErrNoRuntime
}
