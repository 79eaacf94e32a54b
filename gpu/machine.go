package gpu

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// MachineInfo is the host's processor and memory.
type MachineInfo struct {
	CPU                   string
	Threads               int
	Features              []string // those that change llama.cpp's speed
	TotalBytes, FreeBytes uint64
}

// wanted are the features llama.cpp has kernels for.
var wanted = []string{"sse3", "ssse3", "avx", "avx2", "fma", "f16c", "bmi2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_vbmi", "avx512_bf16", "amx_int8", "neon", "asimd", "asimddp", "i8mm", "sve"}

// Machine reads the host.
func Machine() MachineInfo {
	info := MachineInfo{CPU: "unknown processor", Threads: runtime.NumCPU()}
	cpu, _ := os.ReadFile("/proc/cpuinfo") // absent elsewhere: then nothing is known
	info.CPU, info.Features = parseCPU(string(cpu), info.CPU)
	mem, _ := os.ReadFile("/proc/meminfo")
	info.TotalBytes, info.FreeBytes = parseMemory(string(mem))
	return info
}

func parseCPU(text, name string) (string, []string) {
	var features []string
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "model name":
			name = value
		case "flags", "Features":
			have := map[string]bool{}
			for _, f := range strings.Fields(value) {
				have[f] = true
			}
			features = nil
			for _, f := range wanted {
				if have[f] {
					features = append(features, f)
				}
			}
		}
	}
	return name, features
}

func parseMemory(text string) (total, free uint64) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		kib, err := strconv.ParseUint(fields[1], 10, 64)
		if err != nil {
			continue
		}
		switch fields[0] {
		case "MemTotal:":
			total = kib << 10
		case "MemAvailable:":
			free = kib << 10
		}
	}
	return total, free
}
