package gpu

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestParse(t *testing.T) {
	name, features := parseCPU("processor : 0\nmodel name\t: Some CPU\nflags\t\t: fpu avx2 avx512f zzz fma\n", "?")
	if name != "Some CPU" || !slices.Equal(features, []string{"avx2", "fma", "avx512f"}) {
		t.Fatalf("parseCPU = %q, %q", name, features)
	}
	if total, free := parseMemory("MemTotal: 10 kB\nMemFree: 3 kB\nMemAvailable:  4 kB\nodd\n"); total != 10240 || free != 4096 {
		t.Fatalf("parseMemory = %d, %d; want 10240, 4096", total, free)
	}
}

func TestDriver(t *testing.T) {
	root := t.TempDir()
	if d := driverAt(root); d.Loaded || !strings.Contains(d.Detail, "no NVIDIA driver") {
		t.Fatalf("driverAt(nothing) = %+v", d)
	}
	write(t, filepath.Join(root, "proc/driver/nvidia/version"), "NVRM version: 580.1\nGCC")
	if d := driverAt(root); d.Loaded || !strings.Contains(d.Detail, "/dev/nvidia0") {
		t.Fatalf("driverAt(driver without a device) = %+v", d)
	}
	write(t, filepath.Join(root, "dev/nvidia0"), "")
	if d := driverAt(root); !d.Loaded || d.Detail != "NVRM version: 580.1" {
		t.Fatalf("driverAt(driver and device) = %+v", d)
	}
}

func TestLibrariesAreNamedByPath(t *testing.T) {
	root := t.TempDir()
	t.Setenv("CUDA_HOME", filepath.Join(root, "cuda"))
	t.Setenv("CUDA_PATH", "")
	t.Setenv("LD_LIBRARY_PATH", "")
	cublas := filepath.Join(root, "usr/local/cuda-13.0/lib64/libcublas.so.13")
	write(t, cublas, "")
	for _, l := range librariesIn(cudaDirs(root), map[string]string{"libcurand.so.10": "/opt/libcurand.so.10"}) {
		switch {
		case l.Name == "libcublas.so.13" && l.Detail() != cublas:
			t.Fatalf("%s: %s, want %s", l.Name, l.Detail(), cublas)
		case l.Name == "libcurand.so.10" && l.Path != "/opt/libcurand.so.10":
			t.Fatalf("%s: %s, want the loader's", l.Name, l.Detail())
		case l.Path == "" && (!strings.Contains(l.Detail(), filepath.Join(root, "cuda/lib64")) || !strings.Contains(l.Detail(), "comes with")):
			t.Fatalf("%s: %s, want who brings it and the folders searched", l.Name, l.Detail())
		}
	}
}

func TestParseLoaderCache(t *testing.T) {
	got := parseLoaderCache("2 libs found in cache\n\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/libcuda.so.1\n\tlibcuda.so.1 (libc6) => /usr/lib32/libcuda.so.1\nodd => line\n")
	if len(got) != 1 || got["libcuda.so.1"] != "/usr/lib/libcuda.so.1" {
		t.Fatalf("parseLoaderCache = %v, want the first libcuda.so.1 alone", got)
	}
}
