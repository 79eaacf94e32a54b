package inference

import (
	"os"
	"strconv"
	"strings"
)

// HostMemory returns the machine's memory and how much of it programs could still
// take, in bytes; zeros where the system does not say. A control group that allows
// less counts instead.
func HostMemory() (total, available uint64) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	total, available = meminfo(string(b), "MemTotal:"), meminfo(string(b), "MemAvailable:")
	if most := number("/sys/fs/cgroup/memory.max"); most > 0 && most < total {
		total = most
		available = min(available, most-min(most, number("/sys/fs/cgroup/memory.current")))
	}
	return total, available
}

// meminfo is a line of /proc/meminfo, in bytes; 0 when it is not there.
func meminfo(text, key string) uint64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			kib, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}

// number reads a file that holds one; 0 when it does not.
func number(path string) uint64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
