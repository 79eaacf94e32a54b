package cmd

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"repartee/cpuset"
	"repartee/inference"
	"repartee/inference/llama"
)

// checkCPUs refuses a list with CPUs that the process may not use.
func checkCPUs(flag string, cpus cpuset.Set) error {
	allowed := cpuset.Allowed()
	if missing := cpus.Without(allowed); len(missing) > 0 {
		return usagef("%s %s: this process may not use %s; want some of %s", flag, cpus, missing, allowed)
	}
	return nil
}

// checkPlacement refuses --cpus, --threads and --numa that contradict each other.
func (m *modelFlags) checkPlacement() error {
	if err := checkCPUs("--cpus", m.CPUs); err != nil {
		return err
	}
	numa := llama.NUMA(m.NUMA)
	switch {
	case len(m.CPUs) > 0 && m.Threads > len(m.CPUs):
		return usagef("--threads %d: --cpus %s has %d CPUs; want at most as many threads", m.Threads, m.CPUs, len(m.CPUs))
	case len(m.CPUs) > 0 && (numa == llama.NUMADistribute || numa == llama.NUMAIsolate):
		return usagef("--numa %s with --cpus %s: llama.cpp places the threads itself then; want --numa numactl, which keeps them on --cpus, or one of the two flags", m.NUMA, m.CPUs)
	}
	return nil
}

// place says once in the process how threads and memory lie on several memory nodes,
// before the first model, and returns how many threads a model computes with, and
// what the machine has, for the log.
func (m *modelFlags) place() (threads int, found slog.Attr, err error) {
	top, allowed := cpuset.Here(), cpuset.Allowed()
	threads = m.Threads
	numa := llama.NUMA(m.NUMA)
	// The library takes the node, or the CPUs, that it is asked on.
	on := m.CPUs
	switch numa {
	case llama.NUMAIsolate:
		on = top.Node(allowed)
		if threads == 0 {
			threads = inference.CoresOf(on)
		}
	case llama.NUMACtl:
		if len(on) == 0 {
			on = allowed
		}
	}
	several := false
	if e := cpuset.Do(on, func() { several, err = llama.InitNUMA(numa) }); e != nil {
		err = e
	}
	if err != nil {
		return 0, found, fmt.Errorf("--numa %s: %w", m.NUMA, err)
	}
	what := m.NUMA
	if numa != llama.NUMAOff && !several {
		what += ", without effect: one memory node"
	}
	return threads, slog.Group("", "machine", top.Text(allowed), "cpus", orAny(m.CPUs), "numa", what), nil
}

func orAny(s cpuset.Set) string {
	if len(s) == 0 {
		return "any"
	}
	return s.String()
}

// numaText says what --numa can do here.
func numaText(top cpuset.Topology) string {
	if top.Nodes < 2 {
		return "one memory node: --numa has no effect"
	}
	text := fmt.Sprintf("%d memory nodes: try --numa distribute, or isolate for a model that fits one of them", top.Nodes)
	if b, err := os.ReadFile("/proc/sys/kernel/numa_balancing"); err == nil && strings.TrimSpace(string(b)) != "0" {
		text += "; kernel.numa_balancing moves memory about, 0 is better then"
	}
	return text
}
