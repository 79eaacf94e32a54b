package cpuset

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

// tree is a file system with the files that Read looks at.
type tree map[string]string

func (t tree) fs() fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range t {
		m[name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return m
}

// with is t and o together.
func (t tree) with(o tree) tree {
	out := maps.Clone(t)
	maps.Copy(out, o)
	return out
}

// machine has CPUs 0 … n−1, siblings being the list of each.
func machine(n int, siblings func(cpu int) string) tree {
	t := tree{"sys/devices/system/cpu/online": fmt.Sprintf("0-%d", n-1), "proc/self/cgroup": "0::/"}
	if n == 1 {
		t["sys/devices/system/cpu/online"] = "0"
	}
	for c := range n {
		t[fmt.Sprintf("sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", c)] = siblings(c)
	}
	return t
}

func alone(cpu int) string { return fmt.Sprint(cpu) }

// everyCPU gives each of n CPUs a file.
func everyCPU(n int, file string, value func(cpu int) int) tree {
	t := tree{}
	for c := range n {
		t[fmt.Sprintf("sys/devices/system/cpu/cpu%d/%s", c, file)] = fmt.Sprint(value(c))
	}
	return t
}

func list(t *testing.T, text string) Set {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// twoNodes is a server of two processors with eight cores of two threads each: 0-7
// and 8-15 are the first threads, 16-31 the second ones.
var twoNodes = machine(32, func(c int) string { return fmt.Sprintf("%d,%d", c%16, c%16+16) }).with(tree{
	"sys/devices/system/node/node0/cpulist": "0-7,16-23",
	"sys/devices/system/node/node1/cpulist": "8-15,24-31",
})

// hybrid is a laptop: four fast cores of two threads (0-7), eight slow ones.
var hybrid = machine(16, func(c int) string {
	if c < 8 {
		return fmt.Sprintf("%d-%d", c/2*2, c/2*2+1)
	}
	return alone(c)
})

func fastOrSlow(fast, slow int) func(int) int {
	return func(c int) int {
		if c < 8 {
			return fast + c // favoured cores differ a little
		}
		return slow
	}
}

func TestDefaultCPUs(t *testing.T) {
	for _, tt := range []struct {
		name    string
		files   tree
		allowed string
		want    string // where compute threads belong
		text    string
	}{
		{"two cores", machine(2, alone), "0-1", "0-1", "2 cores of 2 threads on 1 memory node, 0-1 allowed: computes on 2 threads"},
		{"one", machine(1, alone), "0", "0", "1 core of 1 thread"},
		{"two nodes", twoNodes, "0-31", "0-15", "16 cores of 32 threads on 2 memory nodes, 0-31 allowed: computes on 16 threads"},
		{"second threads only", twoNodes, "16-31", "16-31", "computes on 16 threads"},
		{"both threads of some cores", twoNodes, "6-9,22-25", "6-9", "computes on 4 threads"},
		{"a node and no second threads", twoNodes, "0-7", "0-7", "0-7 allowed: computes on 8 threads"},
		{"hybrid by the kernel's list", hybrid.with(tree{"sys/devices/cpu_atom/cpus": "8-15", "sys/devices/cpu_core/cpus": "0-7"}), "0-15", "0,2,4,6", "12 cores of 16 threads on 1 memory node, 0-15 allowed, 8 of them slow cores: computes on 4 threads"},
		{"hybrid by capacity", hybrid.with(everyCPU(16, "cpu_capacity", fastOrSlow(1000, 620))), "0-15", "0,2,4,6", "8 of them slow cores"},
		{"hybrid by frequency", hybrid.with(everyCPU(16, "cpufreq/cpuinfo_max_freq", fastOrSlow(5200000, 3900000))), "0-15", "0,2,4,6", "8 of them slow cores"},
		{"slow cores alone", hybrid.with(tree{"sys/devices/cpu_atom/cpus": "8-15"}), "8-15", "8-15", "8-15 allowed: computes on 8 threads"},
		{"favoured cores are no other kind", machine(8, alone).with(everyCPU(8, "cpufreq/cpuinfo_max_freq", fastOrSlow(5000000, 0))), "0-7", "0-7", "computes on 8 threads"},
		{"quota", twoNodes.with(tree{"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "650000 100000"}), "0-31", "0-5", "quota of 6.5 CPUs: computes on 6 threads"},
		{"a quota below one CPU", twoNodes.with(tree{"sys/fs/cgroup/cpu.max": "50000 100000"}), "0-31", "0", "quota of 0.5 CPUs: computes on 1 thread"},
		{"the quota of a group above", twoNodes.with(tree{
			"proc/self/cgroup":                         "0::/kube/pod/box",
			"sys/fs/cgroup/kube/pod/box/cpu.max":       "max 100000",
			"sys/fs/cgroup/kube/pod/cpu.max":           "400000 100000",
			"sys/fs/cgroup/kube/cpu.max":               "800000 100000",
			"sys/fs/cgroup/somebody/else/cpu.max":      "100000 100000",
			"sys/fs/cgroup/kube/pod/box/other/cpu.max": "100000 100000",
		}), "0-31", "0-3", "quota of 4 CPUs"},
		{"the quota of version 1", twoNodes.with(tree{
			"proc/self/cgroup": "5:memory:/box\n4:cpu,cpuacct:/box\n0::/box",
			"sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us":  "300000",
			"sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us":      "-1",
			"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us":     "100000",
		}), "0-31", "0-2", "quota of 3 CPUs"},
		{"a CPU is offline", twoNodes.with(tree{"sys/devices/system/cpu/online": "0-14,16-31"}), "0-14,16-31", "0-14,31", "16 cores of 31 threads"},
		{"a node of memory alone", machine(2, alone).with(tree{"sys/devices/system/node/node0/cpulist": "0-1", "sys/devices/system/node/node1/cpulist": ""}), "0-1", "0-1", "on 1 memory node"},
		{"no files", tree{"sys/devices/system/cpu/online": "0-3"}, "0-3", "0-3", "4 cores of 4 threads"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := Read(tt.files.fs())
			allowed := list(t, tt.allowed)
			if got := top.Default(allowed).String(); got != tt.want {
				t.Errorf("Default(%s) = %s, want %s", tt.allowed, got, tt.want)
			}
			if got := top.Text(allowed); !strings.Contains(got, tt.text) {
				t.Errorf("Text(%s) = %q, want it to hold %q", tt.allowed, got, tt.text)
			}
		})
	}
}

func TestChosenCPUs(t *testing.T) {
	slow := hybrid.with(tree{"sys/devices/cpu_atom/cpus": "8-15"})
	top := Read(slow.fs())
	if got := top.Chosen(list(t, "0-15")).String(); got != "0,2,4,6,8-15" {
		t.Errorf("Chosen(0-15) = %s: slow cores count once the user chose them", got)
	}
	two := Read(twoNodes.fs())
	if got := two.Node(list(t, "4-15,20-31")).String(); got != "8-15,24-31" {
		t.Errorf("Node(4-15,20-31) = %s, want the node with more of its cores", got)
	}
	if got := two.Node(list(t, "0-31")).String(); got != "0-7,16-23" {
		t.Errorf("Node(0-31) = %s, want the first of equal ones", got)
	}
	if got := fmt.Sprint(two.ByCore(list(t, "0-1,8,16-17,24"))); got != "[0 16 1 17 8 24]" {
		t.Errorf("ByCore = %s, want threads of a core beside each other", got)
	}
	for _, tt := range []struct {
		a, b string
		want bool
	}{{"0-3", "4-7", true}, {"0-3", "16", false}, {"0-3", "3-5", false}, {"0,16", "1,17", true}} {
		if got := two.Apart(list(t, tt.a), list(t, tt.b)); got != tt.want {
			t.Errorf("Apart(%s, %s) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestHere reads the machine the test runs on.
func TestHere(t *testing.T) {
	top, allowed := Here(), Allowed()
	if len(top.CPUs) == 0 || len(allowed) == 0 {
		t.Fatalf("Here() has %d CPUs, %d allowed", len(top.CPUs), len(allowed))
	}
	got := top.Default(allowed)
	if len(got) == 0 || len(got.Without(allowed)) > 0 {
		t.Errorf("Default(%s) = %s", allowed, got)
	}
}
