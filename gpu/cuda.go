package gpu

import (
	"os"
	"path/filepath"
	"strings"
)

// DriverInfo says whether an NVIDIA kernel driver is loaded.
type DriverInfo struct {
	Loaded bool
	Detail string
}

// Driver looks for the kernel driver.
func Driver() DriverInfo { return driverAt("/") }

func driverAt(root string) DriverInfo {
	b, err := os.ReadFile(filepath.Join(root, "proc/driver/nvidia/version"))
	if err != nil {
		return DriverInfo{Detail: "no NVIDIA driver is loaded (no /proc/driver/nvidia/version): the CPU is used"}
	}
	line, _, _ := strings.Cut(string(b), "\n")
	nodes, _ := filepath.Glob(filepath.Join(root, "dev/nvidia[0-9]*"))
	if len(nodes) == 0 {
		return DriverInfo{Detail: line + ", but there is no /dev/nvidia0: the device is not passed through"}
	}
	return DriverInfo{Loaded: true, Detail: line}
}

// Library is a CUDA library and where it was found.
type Library struct {
	Name, Path string
	Searched   []string
}

// Detail is the path, or where it was looked for.
func (l Library) Detail() string {
	if l.Path != "" {
		return l.Path
	}
	return "not found in " + strings.Join(l.Searched, ", ")
}

// cudaNames are the libraries that ONNX Runtime's and llama.cpp's CUDA parts
// need at the pinned CUDA major.
var cudaNames = []string{"libcuda.so.1", "libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10", "libcudnn.so.9"}

// CUDALibraries looks for each CUDA library in the places where they are
// installed.
func CUDALibraries() []Library { return librariesIn(cudaDirs("/")) }

func cudaDirs(root string) []string {
	var dirs []string
	for _, v := range []string{"CUDA_HOME", "CUDA_PATH"} {
		if home := os.Getenv(v); home != "" {
			dirs = append(dirs, filepath.Join(home, "lib64"))
		}
	}
	if list := os.Getenv("LD_LIBRARY_PATH"); list != "" {
		dirs = append(dirs, filepath.SplitList(list)...)
	}
	for _, pattern := range []string{"usr/local/cuda*/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/local/nvidia/lib64", "usr/lib/wsl/lib"} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		dirs = append(dirs, found...)
	}
	return dirs
}

func librariesIn(dirs []string) []Library {
	var out []Library
	for _, name := range cudaNames {
		l := Library{Name: name, Searched: dirs}
		for _, d := range dirs {
			if st, err := os.Stat(filepath.Join(d, name)); err == nil && !st.IsDir() {
				l.Path = filepath.Join(d, name)
				break
			}
		}
		out = append(out, l)
	}
	return out
}
