package cpuset

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// CPU is one hardware thread.
type CPU struct {
	ID   int
	Core int // the lowest ID among the threads of its core
	Node int // of memory
	// Speed compares cores: the kernel's capacity, or the highest frequency; 0 where
	// neither is known. Efficient is set where the kernel lists the core as one of the
	// slow kind.
	Speed     int
	Efficient bool
}

// Topology is what a machine has, and what part of its time the process gets.
type Topology struct {
	CPUs  []CPU // online, by ID
	Nodes int   // of memory, at least 1
	// Quota is how many CPUs' worth of time the control group allows; 0 = no limit.
	Quota float64
}

// Read reads the files of Linux below the root of fsys. What is missing is left at
// its default: a CPU that says nothing of itself is a core of node 0.
func Read(fsys fs.FS) Topology {
	t := Topology{Nodes: 1, Quota: quota(fsys)}
	const sys = "sys/devices/system/cpu"
	present, err := Parse(line(fsys, path.Join(sys, "online")))
	if err != nil || len(present) == 0 {
		present = online()
	}
	slow, _ := Parse(line(fsys, "sys/devices/cpu_atom/cpus")) // of hybrid Intel processors; none elsewhere
	node := nodes(fsys, &t)
	capacities := true
	for _, id := range present {
		c := CPU{ID: id, Core: id, Node: node[id], Efficient: slow.Has(id)}
		dir := path.Join(sys, fmt.Sprintf("cpu%d", id))
		if s, err := Parse(line(fsys, path.Join(dir, "topology/thread_siblings_list"))); err == nil && s.Has(id) {
			c.Core = s[0]
		}
		if c.Speed = integer(fsys, path.Join(dir, "cpu_capacity")); c.Speed == 0 {
			capacities = false
		}
		t.CPUs = append(t.CPUs, c)
	}
	if !capacities { // all by one measure
		for i := range t.CPUs {
			t.CPUs[i].Speed = integer(fsys, path.Join(sys, fmt.Sprintf("cpu%d", t.CPUs[i].ID), "cpufreq/cpuinfo_max_freq"))
		}
	}
	return t
}

// nodes is the node of each CPU, and counts them.
func nodes(fsys fs.FS, t *Topology) map[int]int {
	of := map[int]int{}
	dirs, _ := fs.Glob(fsys, "sys/devices/system/node/node[0-9]*") // the pattern is right
	with := 0
	for _, dir := range dirs {
		n, err := strconv.Atoi(strings.TrimPrefix(path.Base(dir), "node"))
		if err != nil {
			continue
		}
		cpus, _ := Parse(line(fsys, path.Join(dir, "cpulist")))
		if len(cpus) > 0 {
			with++ // a node may have memory alone
		}
		for _, c := range cpus {
			of[c] = n
		}
	}
	t.Nodes = max(with, 1)
	return of
}

// efficient is below which share of the fastest core's speed a core counts as one of
// another kind. Fast cores of one processor differ by a few per cent (favoured
// ones), the two kinds by a quarter and more.
const efficient = 0.8

// Physical is one thread of each core that has a thread in within, the lowest.
func (t Topology) Physical(within Set) Set {
	var out Set
	seen := map[int]bool{}
	for _, c := range t.CPUs {
		if within.Has(c.ID) && !seen[c.Core] {
			seen[c.Core] = true
			out = append(out, c.ID)
		}
	}
	return out
}

// Fast is within without the slow cores of a processor that has two kinds: where
// threads wait for each other, the slowest sets the pace.
func (t Topology) Fast(within Set) Set {
	fastest, kinds := 0, false
	for _, c := range t.CPUs {
		if within.Has(c.ID) {
			fastest = max(fastest, c.Speed)
			kinds = kinds || !c.Efficient
		}
	}
	var out Set
	for _, c := range t.CPUs {
		if within.Has(c.ID) && (!kinds || !c.Efficient) && float64(c.Speed) >= efficient*float64(fastest) {
			out = append(out, c.ID)
		}
	}
	return out
}

// Node is what of within lies on the node that has most cores of it, the first of
// several.
func (t Topology) Node(within Set) Set {
	by := map[int]Set{}
	for _, c := range t.CPUs {
		if within.Has(c.ID) {
			by[c.Node] = append(by[c.Node], c.ID)
		}
	}
	var best Set
	for _, n := range slices.Sorted(maps.Keys(by)) {
		if len(t.Physical(by[n])) > len(t.Physical(best)) {
			best = by[n]
		}
	}
	return best
}

// Default is where compute threads belong when nothing is said: one thread of each
// fast core among those allowed, no more than the quota pays for.
func (t Topology) Default(allowed Set) Set { return t.within(t.Physical(t.Fast(allowed))) }

// Chosen is the same for CPUs that the user chose: slow ones count then.
func (t Topology) Chosen(cpus Set) Set { return t.within(t.Physical(cpus)) }

// within cuts a set to what the quota pays for: threads that wait for each other all
// stand still when the group has used its time up.
func (t Topology) within(s Set) Set {
	if t.Quota > 0 && len(s) > 0 {
		s = s[:min(len(s), max(int(math.Floor(t.Quota)), 1))]
	}
	return s
}

// ByCore is a set ordered so that neighbours in it are near each other: by node, then
// core. Parts of it share as few cores as can be.
func (t Topology) ByCore(s Set) []int {
	at := map[int]CPU{}
	for _, c := range t.CPUs {
		at[c.ID] = c
	}
	out := slices.Clone([]int(s))
	slices.SortStableFunc(out, func(a, b int) int {
		return cmp.Or(cmp.Compare(at[a].Node, at[b].Node), cmp.Compare(at[a].Core, at[b].Core), cmp.Compare(a, b))
	})
	return out
}

// Apart tells whether no core has threads in both sets.
func (t Topology) Apart(a, b Set) bool {
	cores := map[int]bool{}
	for _, c := range t.CPUs {
		if a.Has(c.ID) {
			cores[c.Core] = true
		}
	}
	for _, c := range t.CPUs {
		if b.Has(c.ID) && cores[c.Core] {
			return false
		}
	}
	return true
}

// Text says in one line what there is and what of it is used; allowed is what the
// process may use.
func (t Topology) Text(allowed Set) string {
	all := make(Set, len(t.CPUs))
	for i, c := range t.CPUs {
		all[i] = c.ID
	}
	text := fmt.Sprintf("%s of %s on %s, %s allowed", count(len(t.Physical(all)), "core"), count(len(all), "thread"), count(t.Nodes, "memory node"), allowed)
	physical := t.Physical(allowed)
	if slow := len(physical) - len(t.Physical(t.Fast(allowed))); slow > 0 {
		text += fmt.Sprintf(", %d of them slow cores", slow)
	}
	if t.Quota > 0 {
		text += fmt.Sprintf(", quota of %.4g CPUs", t.Quota)
	}
	return text + fmt.Sprintf(": computes on %s", count(len(t.Default(allowed)), "thread"))
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// line is a small file's content, empty without one.
func line(fsys fs.FS, name string) string {
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func integer(fsys fs.FS, name string) int {
	n, err := strconv.Atoi(line(fsys, name))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// Here is this machine's topology, read now.
func Here() Topology { return Read(os.DirFS("/")) }
