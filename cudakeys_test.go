package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestWhatCompilesCUDAAgain: the CUDA module takes half an hour of a processor, so
// nothing but its own sources, and what they include, may have it compiled again:
// no change and no patch of the processor's kernels, and nothing above ggml.
func TestWhatCompilesCUDAAgain(t *testing.T) {
	for _, tool := range []string{"bash", "g++", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	tree := t.TempDir()
	put := func(file, text string) {
		t.Helper()
		path := filepath.Join(tree, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	keys := func() (module, llama string) {
		t.Helper()
		cmd := exec.Command("third_party/cuda.sh", "keys")
		cmd.Env = append(os.Environ(), "LLAMA_SOURCE="+tree, "CUDA_ARCHS=90", "CPU_VARIANTS=x64")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("cuda.sh keys: %v", err)
		}
		var one, two string
		if n, err := fmt.Sscanf(string(out), "module %s\nllama %s\n", &one, &two); n != 2 || err != nil {
			t.Fatalf("cuda.sh keys printed %q, %v", out, err)
		}
		return one, two
	}
	const cpu, cuda, header, above = "ggml/src/ggml-cpu/amx/amx.cpp", "ggml/src/ggml-cuda/mmq.cu", "ggml/include/ggml.h", "src/llama.cpp"
	for _, file := range []string{cpu, cuda, header, above} {
		put(file, "before")
	}
	module, llama := keys()
	f := func(file string, compiles bool) {
		t.Helper()
		put(file, "after")
		m, l := keys()
		if (m != module) != compiles {
			t.Errorf("with another %s the module's key changes: %v, want %v", file, m != module, compiles)
		}
		if file == cpu && l == llama {
			t.Errorf("with another %s the processor's modules keep their key %s", file, l)
		}
		put(file, "before")
	}
	f(cpu, false)
	f(above, false)
	f(cuda, true)
	f(header, true)
}
