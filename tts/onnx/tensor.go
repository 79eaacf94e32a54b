package onnx

import (
	"errors"
	"fmt"

	"repartee/cpuset"
)

// Tensor is an array that goes into or comes out of a graph. Exactly one of
// the slices is set; its length is the product of Shape.
type Tensor struct {
	Shape []int64
	F32   []float32
	I64   []int64
	I32   []int32
}

// ErrNoRuntime says that the program was built without ONNX Runtime support
// (CGO_ENABLED=0) or that Open has not succeeded.
var ErrNoRuntime = errors.New("onnx: ONNX Runtime is not available")

// ErrTerminated is returned by Run when its context ended first; the context's
// error is wrapped beside it.
var ErrTerminated = errors.New("onnx: run was cancelled")

// Floats makes a float32 tensor over data, which is used, not copied.
func Floats(data []float32, shape ...int64) Tensor { return Tensor{Shape: shape, F32: data} }

// Ints makes an int64 tensor over data.
func Ints(data []int64, shape ...int64) Tensor { return Tensor{Shape: shape, I64: data} }

// Int32s makes an int32 tensor over data.
func Int32s(data []int32, shape ...int64) Tensor { return Tensor{Shape: shape, I32: data} }

// check says what is wrong with the tensor before C code sees it.
func (t Tensor) check(name string) error {
	n := int64(1)
	for _, d := range t.Shape {
		if d <= 0 {
			return fmt.Errorf("onnx: input %q: dimension %d in shape %v", name, d, t.Shape)
		}
		n *= d
	}
	set, have := 0, 0
	for _, l := range []int{len(t.F32), len(t.I64), len(t.I32)} {
		if l > 0 {
			set++
			have = l
		}
	}
	if set != 1 || int64(have) != n || len(t.Shape) == 0 {
		return fmt.Errorf("onnx: input %q: shape %v wants %d elements of one type, got %d", name, t.Shape, n, have)
	}
	return nil
}

// Options of a session.
type Options struct {
	// Threads of one run; 0 = 1.
	Threads int
	// CPUs are those that runs of the session stay on; empty = any.
	CPUs cpuset.Set
	// CUDA asks for the CUDA provider; Open must have loaded it.
	CUDA bool
	// Profile, when set, is the file prefix of a runtime profile.
	Profile string
}
