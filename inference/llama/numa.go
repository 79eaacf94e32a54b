package llama

import "fmt"

// NUMA is how the library places threads on a machine with several memory nodes; see
// ggml_numa_strategy in ggml-cpu.h. Its "mirror" does nothing there and is not offered.
type NUMA string

// The strategies.
const (
	NUMAOff        NUMA = "off"        // as if there were one node
	NUMADistribute NUMA = "distribute" // threads by turns on all nodes
	NUMAIsolate    NUMA = "isolate"    // threads on the node that InitNUMA was called on
	NUMACtl        NUMA = "numactl"    // threads on the CPUs that InitNUMA was called on
)

// code is the library's number of a strategy.
func (n NUMA) code() (int, error) {
	switch n {
	case NUMAOff, "":
		return 0, nil
	case NUMADistribute:
		return 1, nil
	case NUMAIsolate:
		return 2, nil
	case NUMACtl:
		return 3, nil
	}
	return 0, fmt.Errorf("%w: NUMA strategy %q: want off, distribute, isolate or numactl", ErrArgument, n)
}
