package gpu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// providerFiles are the libraries that ONNX Runtime looks for beside itself
// when it is asked to use CUDA.
var providerFiles = []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"}

// SpeechCUDA makes the CUDA provider of the ONNX Runtime at path ready: it looks
// for the driver, the provider's own files and each library that they need, and
// opens those libraries by absolute path, so that the loader's search path does
// not matter. The error names everything that is missing and who brings it.
func SpeechCUDA(d DriverInfo, path string, folders ...string) error {
	if !d.Loaded {
		return errors.New(d.Detail)
	}
	return speechCUDA(path, CUDALibraries(folders...))
}

func speechCUDA(path string, libs []Library) error {
	var provider string
	for _, name := range providerFiles {
		provider = filepath.Join(filepath.Dir(path), name)
		if _, err := os.Stat(provider); err != nil {
			return fmt.Errorf("%s is not beside %s: this ONNX Runtime computes on the CPU only; \"third_party/fetch.py onnxruntime-gpu\" brings the other", name, path)
		}
	}
	needs, err := Needs(provider)
	if err != nil {
		return err
	}
	var missing []string
	for _, l := range libs {
		// cuDNN is opened by the provider itself, later.
		if l.Path == "" && (slices.Contains(needs, l.Name) || strings.HasPrefix(l.Name, "libcudnn")) {
			missing = append(missing, fmt.Sprintf("%s (comes with %s)", l.Name, l.From))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not found: %s; looked in %s", strings.Join(missing, ", "), strings.Join(libs[0].Searched, ", "))
	}
	failed := PreloadCUDA(libs)
	var errs []error
	for _, l := range libs { // in the order in which they need one another
		if err := failed[l.Name]; err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
