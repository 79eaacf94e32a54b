package inference

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Cores returns the physical cores that this process may use: hardware threads
// of one core count once, and a smaller CPU affinity or quota that the Go
// runtime sees is kept.
func Cores() int {
	return min(max(physicalCores("/sys/devices/system/cpu"), 1), runtime.GOMAXPROCS(0))
}

// physicalCores counts the distinct sets of sibling threads below a sysfs
// directory; without one it returns the number of CPUs.
func physicalCores(sys string) int {
	files, _ := filepath.Glob(filepath.Join(sys, "cpu[0-9]*", "topology", "thread_siblings_list"))
	seen := map[string]bool{}
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil {
			seen[strings.TrimSpace(string(b))] = true
		}
	}
	if len(seen) == 0 {
		return runtime.NumCPU()
	}
	return len(seen)
}
