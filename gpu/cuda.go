package gpu

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// DriverInfo says whether an NVIDIA kernel driver is loaded.
type DriverInfo struct {
	Loaded bool
	Detail string
}

// Driver looks for the kernel driver.
func Driver() DriverInfo { return driverAt("/") }

// DriverOf is Driver, but believes the management library where it lists a GPU:
// sandboxes hide what the kernel shows elsewhere.
func DriverOf(t *Telemetry) DriverInfo {
	d := Driver()
	if n := len(t.Devices()); n > 0 && !d.Loaded {
		version, _ := t.Driver()
		return DriverInfo{Loaded: true, Detail: fmt.Sprintf("driver %s lists %d GPU", version, n)}
	}
	return d
}

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
	Name     string // soname, libcublas.so.13
	Path     string // empty = not found
	For      string // what cannot run without it
	From     string // who brings it along
	Searched []string
}

// Detail is the path, or what is missing and who would bring it.
func (l Library) Detail() string {
	if l.Path != "" {
		return l.Path
	}
	return fmt.Sprintf("not found: %s cannot use the GPU; it comes with %s; looked in %s", l.For, l.From, strings.Join(l.Searched, ", "))
}

// Who needs what at the pinned CUDA major.
const (
	both    = "language models and speech"
	speech  = "speech"
	toolkit = "the CUDA 13 toolkit or \"third_party/fetch.py cuda\""
)

// cudaNames are the libraries that ONNX Runtime's and llama.cpp's CUDA parts
// need, in the order in which they can be opened.
var cudaNames = []Library{
	{Name: "libcuda.so.1", For: both, From: "the NVIDIA driver (580 or newer)"},
	{Name: "libcudart.so.13", For: both, From: toolkit},
	{Name: "libcublasLt.so.13", For: both, From: toolkit},
	{Name: "libcublas.so.13", For: both, From: toolkit},
	{Name: "libcurand.so.10", For: speech, From: toolkit},
	{Name: "libcudnn.so.9", For: speech, From: "cuDNN 9 for CUDA 13 or \"third_party/fetch.py cuda\""},
}

// CUDALibraries looks for each CUDA library in the places where they are
// installed: first the given folders, then those of the environment, of an
// installation and of the Python packages, last what the loader knows.
func CUDALibraries(first ...string) []Library {
	return librariesIn(append(slices.Clone(first), cudaDirs("/")...), loaderCache())
}

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
	for _, pattern := range []string{
		"usr/local/cuda*/lib64", "usr/local/nvidia/lib64", "usr/lib/wsl/lib",
		"usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64",
		"usr/lib/python3*/*-packages/nvidia/*/lib", "usr/local/lib/python3*/*-packages/nvidia/*/lib", "opt/*/lib/python3*/site-packages/nvidia/*/lib", "opt/*/.venv/lib/python3*/site-packages/nvidia/*/lib",
	} {
		found, _ := filepath.Glob(filepath.Join(root, pattern))
		dirs = append(dirs, found...)
	}
	return dirs
}

// loaderCache is what "ldconfig -p" lists, by soname; empty where there is none.
func loaderCache() map[string]string {
	for _, name := range []string{"ldconfig", "/sbin/ldconfig", "/usr/sbin/ldconfig"} {
		if out, err := exec.Command(name, "-p").Output(); err == nil {
			return parseLoaderCache(string(out))
		}
	}
	return nil
}

// parseLoaderCache reads lines such as "libfoo.so.1 (libc6,x86-64) => /lib/libfoo.so.1".
func parseLoaderCache(text string) map[string]string {
	found := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		name, path, ok := strings.Cut(lines.Text(), " => ")
		name, _, _ = strings.Cut(strings.TrimSpace(name), " ")
		if _, twice := found[name]; ok && !twice && filepath.IsAbs(path) {
			found[name] = path
		}
	}
	return found
}

func librariesIn(dirs []string, loader map[string]string) []Library {
	out := slices.Clone(cudaNames)
	for i := range out {
		l := &out[i]
		l.Searched = dirs
		for _, d := range dirs {
			if st, err := os.Stat(filepath.Join(d, l.Name)); err == nil && !st.IsDir() {
				l.Path = filepath.Join(d, l.Name)
				break
			}
		}
		if l.Path == "" {
			l.Path = loader[l.Name]
		}
	}
	return out
}

// Missing are the libraries that were not found, of those that llama.cpp needs
// or, with speech, of all.
func Missing(libs []Library, withSpeech bool) []string {
	var out []string
	for _, l := range libs {
		if l.Path == "" && (withSpeech || l.For == both) {
			out = append(out, l.Name)
		}
	}
	return out
}

// PreloadCUDA opens every library that was found, by its path, so that llama.cpp's
// and ONNX Runtime's modules find them whatever the loader's search path is. It
// goes on past what cannot be opened and returns those errors by name.
func PreloadCUDA(libs []Library) map[string]error {
	failed := map[string]error{}
	for _, l := range libs {
		if l.Path == "" {
			continue
		}
		if err := Preload(l.Path); err != nil {
			failed[l.Name] = err
		}
	}
	return failed
}

// Needs are the sonames that the shared library at path asks the loader for.
func Needs(path string) ([]string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("gpu: reading %s: %w", path, err)
	}
	defer f.Close()
	names, err := f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("gpu: reading %s: %w", path, err)
	}
	return names, nil
}
