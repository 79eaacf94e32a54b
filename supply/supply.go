// Package supply finds the files that a build brings along: libraries, helper
// programs, default model and voice. Each is looked for where its variable
// points, beside the executable, and in the cache that make fills. The package
// fetches nothing.
package supply

import (
	"fmt"
	"os"
	"path/filepath"
)

// Part is a file or folder that Find knows.
type Part string

// The parts.
const (
	DefaultModel Part = "language model"
	DefaultVoice Part = "voice"
	ONNXRuntime  Part = "ONNX Runtime"
	// ONNXRuntimeGPU is the build of ONNX Runtime with the CUDA provider beside it.
	ONNXRuntimeGPU Part = "ONNX Runtime for CUDA"
	EspeakLibrary  Part = "espeak-ng library"
	EspeakData     Part = "espeak-ng data"
	Phonemizer     Part = "phonemizer"
	LlamaSource    Part = "llama.cpp source"
)

// place says where a part lies: below the cache, below lib/repartee of an
// installation, which variable overrides both, and what puts it into the cache.
type place struct{ cache, beside, env, fetch string }

const (
	usual  = "make fetch"
	forGPU = "third_party/fetch.py onnxruntime-gpu" // 256 MB, of use where there is a GPU
)

var places = map[Part]place{
	DefaultModel:   {"models/SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct.Q4_1.gguf", "REPARTEE_DEFAULT_MODEL", usual},
	DefaultVoice:   {"voices/en_US-joe-medium.onnx", "en_US-joe-medium.onnx", "REPARTEE_DEFAULT_VOICE", usual},
	ONNXRuntime:    {"onnxruntime/1.31.1/libonnxruntime.so.1.31.1", "libonnxruntime.so.1.31.1", "REPARTEE_ONNXRUNTIME", usual},
	ONNXRuntimeGPU: {"onnxruntime-gpu/1.31.1/libonnxruntime.so.1.31.1", "cuda/libonnxruntime.so.1.31.1", "REPARTEE_ONNXRUNTIME_GPU", forGPU},
	EspeakLibrary:  {"espeak-ng/1.52/libespeak-ng.so", "libespeak-ng.so", "REPARTEE_ESPEAK_LIBRARY", usual},
	EspeakData:     {"espeak-ng/1.52/espeak-ng-data", "espeak-ng-data", "REPARTEE_ESPEAK_DATA", usual},
	Phonemizer:     {"native/current/bin/repartee-phonemize", "repartee-phonemize", "REPARTEE_PHONEMIZER", usual},
	LlamaSource:    {"llama.cpp/0c1e57098b", "llama.cpp", "REPARTEE_LLAMA_SOURCE", usual},
}

// Dir is the cache: $REPARTEE_CACHE, else $XDG_CACHE_HOME/repartee, else
// ~/.cache/repartee.
func Dir() string {
	if d := os.Getenv("REPARTEE_CACHE"); d != "" {
		return d
	}
	if d := os.Getenv("XDG_CACHE_HOME"); d != "" {
		return filepath.Join(d, "repartee")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = os.TempDir()
	}
	return filepath.Join(home, ".cache", "repartee")
}

// Find returns the path of a part that exists; the error names the part, where
// it was looked for and what to do.
func Find(p Part) (string, error) {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		exe = ""
	}
	return find(p, exe, Dir())
}

func find(p Part, exe, cache string) (string, error) {
	at, ok := places[p]
	if !ok {
		return "", fmt.Errorf("supply: %q is not a part", p)
	}
	if path := os.Getenv(at.env); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("supply: %s: %s points to %q, which cannot be used: %w", p, at.env, path, err)
		}
		return path, nil
	}
	var tried []string
	if exe != "" {
		tried = append(tried, filepath.Join(filepath.Dir(exe), at.beside), filepath.Join(filepath.Dir(exe), "..", "lib", "repartee", at.beside))
	}
	tried = append(tried, filepath.Join(cache, at.cache))
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("supply: %s is missing (looked for %q): run %q, or set %s", p, tried, at.fetch, at.env)
}
