package inference

import (
	"runtime"

	"repartee/cpuset"
)

// Cores returns how many threads compute on this machine unless something else is
// said: one for each fast physical core that the process may use, within the quota
// of its control group and what the Go runtime was told.
func Cores() int {
	return min(max(len(cpuset.Here().Default(cpuset.Allowed())), 1), runtime.GOMAXPROCS(0))
}

// CoresOf is the same for a list of CPUs that the user chose: slow cores count there.
func CoresOf(cpus cpuset.Set) int {
	if len(cpus) == 0 {
		return Cores()
	}
	return max(len(cpuset.Here().Chosen(cpus)), 1)
}
