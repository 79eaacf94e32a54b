package llama

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// WeightTypes are the types that Quantize writes, the finest first: those of
// llama.cpp that need no importance matrix.
var WeightTypes = []string{
	"F32", "BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_1", "Q5_0", "Q4_K_M", "Q4_K_S", "Q4_1", "Q4_0",
	"IQ4_NL", "IQ4_XS", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q2_K",
}

// Quantize writes a copy of a GGUF file with weights of another type. threads 0 =
// all cores. The output must not exist; it appears whole or not at all. progress
// is told the bytes written, now and then, on a goroutine that ends with the call;
// it may be nil.
func Quantize(in, out, weightType string, threads int, progress func(written int64)) error {
	name := strings.ToUpper(weightType)
	if !slices.Contains(WeightTypes, name) {
		return fmt.Errorf("%w: weight type %q: want one of %s", ErrArgument, weightType, strings.Join(WeightTypes, ", "))
	}
	return rewritten(in, out, name, nil, threads, progress)
}

// Prune writes a copy of a GGUF file without some of its layers, counted from 0,
// in any order. What is left speaks worse, but guesses for the whole model. The
// output must not exist; it appears whole or not at all. progress is as Quantize's.
func Prune(in, out string, layers []int, progress func(written int64)) error {
	drop := slices.Compact(slices.Sorted(slices.Values(layers)))
	if len(drop) == 0 {
		return fmt.Errorf("%w: no layer to leave out is named", ErrArgument)
	}
	return rewritten(in, out, "", drop, 1, progress)
}

// rewritten checks everything, has the copy written beside its place, looks
// whether it can be loaded, and moves it there.
func rewritten(in, out, weightType string, drop []int, threads int, progress func(int64)) error {
	model, err := LoadModel(ModelParams{Path: in})
	if err != nil {
		return err
	}
	info := model.Info()
	model.Close()
	if n := len(drop); n > 0 && (drop[0] < 0 || drop[n-1] >= info.Layers || n >= info.Layers) {
		return fmt.Errorf("%w: layers %v to leave out: %q has the layers 0 … %d, and one must stay", ErrArgument, drop, in, info.Layers-1)
	}
	if threads < 0 || threads > maxThreads {
		return fmt.Errorf("%w: threads %d are outside 0 … %d", ErrArgument, threads, maxThreads)
	}
	if _, err := os.Stat(out); err == nil {
		return fmt.Errorf("%w: %q exists already", ErrArgument, out)
	}
	f, err := os.CreateTemp(filepath.Dir(out), "."+filepath.Base(out)+"-*")
	if err != nil {
		return fmt.Errorf("llama: writing %q: %w", out, err)
	}
	part := f.Name()
	defer os.Remove(part) // gone when it was moved
	if err := f.Close(); err != nil {
		return fmt.Errorf("llama: writing %q: %w", out, err)
	}
	stop := watchSize(part, progress)
	err = rewrite(in, part, weightType, drop, threads)
	stop()
	if err != nil {
		return err
	}
	made, err := LoadModel(ModelParams{Path: part})
	if err != nil {
		return fmt.Errorf("llama: the copy of %q cannot be used: %w", in, err)
	}
	made.Close()
	if err := os.Chmod(part, 0o644); err != nil {
		return fmt.Errorf("llama: writing %q: %w", out, err)
	}
	if err := os.Rename(part, out); err != nil {
		return fmt.Errorf("llama: writing %q: %w", out, err)
	}
	return nil
}

// watchSize tells progress a file's size until the function it returns is called.
func watchSize(path string, progress func(int64)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var w sync.WaitGroup
	w.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				if st, err := os.Stat(path); err == nil {
					progress(st.Size())
				}
			}
		}
	})
	return func() { close(done); w.Wait() }
}
