//go:build cgo

package onnx

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"repartee/cpuset"

	ort "github.com/yalue/onnxruntime_go"
)

// environment is the process-wide state of ONNX Runtime, which can be opened
// once and is never closed: sessions may outlive any one user of it.
var environment struct {
	sync.Mutex
	path string
}

// Open loads ONNX Runtime from path (the core shared library). It does so once
// for the process; a later call with the same path does nothing, with another
// path it is an error.
func Open(path string) error {
	environment.Lock()
	defer environment.Unlock()
	if environment.path != "" {
		if environment.path != path {
			return fmt.Errorf("onnx: opening %q: %q is already open", path, environment.path)
		}
		return nil
	}
	if path == "" {
		return fmt.Errorf("%w: no library path given", ErrNoRuntime)
	}
	ort.SetSharedLibraryPath(path)
	if err := ort.InitializeEnvironment(ort.WithLogLevelError()); err != nil {
		return fmt.Errorf("onnx: opening %q: %w", path, err)
	}
	environment.path = path
	_ = ort.DisableTelemetry()
	return nil
}

// Version of the open runtime, empty before Open.
func Version() string {
	environment.Lock()
	defer environment.Unlock()
	if environment.path == "" {
		return ""
	}
	return ort.GetVersion()
}

// Session is a graph ready to run. Run may be called by any goroutine, several
// at once; Close waits for runs to end.
type Session struct {
	in, out []string
	cpus    cpuset.Set
	mu      sync.RWMutex // held for reading by runs, for writing by Close
	s       *ort.DynamicAdvancedSession
}

// NewSession makes a session of the ONNX file data with the named inputs and
// outputs. data is not used after the return.
func NewSession(data []byte, inputs, outputs []string, o Options) (*Session, error) {
	if !ort.IsInitialized() {
		return nil, ErrNoRuntime
	}
	if len(inputs) == 0 || len(outputs) == 0 {
		return nil, fmt.Errorf("onnx: session needs inputs and outputs, got %d and %d", len(inputs), len(outputs))
	}
	opts, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("onnx: session options: %w", err)
	}
	defer opts.Destroy()
	err = errors.Join(
		opts.SetIntraOpNumThreads(max(o.Threads, 1)),
		opts.SetInterOpNumThreads(1),
		opts.SetCpuMemArena(true),
		opts.SetMemPattern(false), // shapes differ from run to run
		opts.SetGraphOptimizationLevel(ort.GraphOptimizationLevelEnableAll),
		opts.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
	)
	if err == nil && o.Profile != "" {
		err = opts.EnableProfiling(o.Profile)
	}
	if err == nil && o.CUDA {
		err = appendCUDA(opts)
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: session options: %w", err)
	}
	// The session's own threads, all but the caller's, start on the CPUs of the thread
	// that makes it: the runtime leaves threads alone whose number it was given. Its
	// option session.intra_op_thread_affinities would say the same of these only.
	var s *ort.DynamicAdvancedSession
	if e := cpuset.Do(o.CPUs, func() { s, err = ort.NewDynamicAdvancedSessionWithONNXData(data, inputs, outputs, opts) }); e != nil {
		return nil, fmt.Errorf("onnx: %w", e)
	}
	if err != nil {
		return nil, fmt.Errorf("onnx: loading graph: %w", err)
	}
	return &Session{in: slices.Clone(inputs), out: slices.Clone(outputs), cpus: o.CPUs, s: s}, nil
}

// Close releases the session. Later runs fail.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s != nil {
		_ = s.s.Destroy()
		s.s = nil
	}
}

// Run runs the graph; in and the result are in the order of the names given to
// NewSession. The end of ctx stops the run within one operation.
func (s *Session) Run(ctx context.Context, in ...Tensor) ([]Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(ErrTerminated, err)
	}
	if len(in) != len(s.in) {
		return nil, fmt.Errorf("onnx: run got %d inputs, wants %d (%v)", len(in), len(s.in), s.in)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.s == nil {
		return nil, fmt.Errorf("onnx: run: session is closed")
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	values := make([]ort.Value, 0, len(in))
	defer func() {
		for _, v := range values {
			_ = v.Destroy()
		}
	}()
	for i, t := range in {
		if err := t.check(s.in[i]); err != nil {
			return nil, err
		}
		v, err := t.value(&pin)
		if err != nil {
			return nil, fmt.Errorf("onnx: input %q: %w", s.in[i], err)
		}
		values = append(values, v)
	}
	results := make([]ort.Value, len(s.out))
	defer func() {
		for _, v := range results {
			if v != nil {
				_ = v.Destroy()
			}
		}
	}()
	// The calling thread computes too, with one thread it alone.
	var err error
	if e := cpuset.Do(s.cpus, func() { err = s.run(ctx, values, results) }); e != nil {
		return nil, fmt.Errorf("onnx: %w", e)
	}
	if err != nil {
		return nil, err
	}
	out := make([]Tensor, len(results))
	for i, v := range results {
		t, err := copyOut(v)
		if err != nil {
			return nil, fmt.Errorf("onnx: output %q: %w", s.out[i], err)
		}
		out[i] = t
	}
	return out, nil
}

// run ties the run to ctx. The options are destroyed only after a concurrent
// Terminate has returned.
func (s *Session) run(ctx context.Context, in, out []ort.Value) error {
	if ctx.Done() == nil {
		if err := s.s.Run(in, out); err != nil {
			return fmt.Errorf("onnx: run: %w", err)
		}
		return nil
	}
	opts, err := ort.NewRunOptions()
	if err != nil {
		return fmt.Errorf("onnx: run options: %w", err)
	}
	defer opts.Destroy()
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		_ = opts.Terminate()
	})
	err = s.s.RunWithOptions(in, out, opts)
	if !stop() {
		<-done
	}
	if err == nil {
		return nil
	}
	if cause := ctx.Err(); cause != nil {
		return errors.Join(ErrTerminated, cause)
	}
	return fmt.Errorf("onnx: run: %w", err)
}

func (t Tensor) value(pin *runtime.Pinner) (ort.Value, error) {
	shape := ort.NewShape(t.Shape...)
	switch {
	case t.F32 != nil:
		pin.Pin(&t.F32[0])
		return ort.NewTensor(shape, t.F32)
	case t.I64 != nil:
		pin.Pin(&t.I64[0])
		return ort.NewTensor(shape, t.I64)
	default:
		pin.Pin(&t.I32[0])
		return ort.NewTensor(shape, t.I32)
	}
}

func copyOut(v ort.Value) (Tensor, error) {
	t := Tensor{Shape: slices.Clone([]int64(v.GetShape()))}
	switch x := v.(type) {
	case *ort.Tensor[float32]:
		t.F32 = slices.Clone(x.GetData())
	case *ort.Tensor[int64]:
		t.I64 = slices.Clone(x.GetData())
	case *ort.Tensor[int32]:
		t.I32 = slices.Clone(x.GetData())
	default:
		return t, fmt.Errorf("element type %T is not supported", v)
	}
	return t, nil
}

func appendCUDA(opts *ort.SessionOptions) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer cuda.Destroy()
	if err := cuda.Update(map[string]string{"cudnn_conv_algo_search": "HEURISTIC"}); err != nil {
		return err
	}
	return opts.AppendExecutionProviderCUDA(cuda)
}
