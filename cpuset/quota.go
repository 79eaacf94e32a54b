package cpuset

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// quota is the smallest limit of CPU time that the process's control group or one
// above it has, in CPUs; 0 = none. It knows both versions of control groups, each
// by the paths of the kernel's documentation.
func quota(fsys fs.FS) float64 {
	least := 0.0
	take := func(used, period string) {
		u, err := strconv.ParseFloat(used, 64)
		p, err2 := strconv.ParseFloat(period, 64)
		if err != nil || err2 != nil || u <= 0 || p <= 0 {
			return // "max", −1
		}
		if least == 0 || u/p < least {
			least = u / p
		}
	}
	for entry := range strings.Lines(line(fsys, "proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(entry), ":", 3)
		if len(parts) < 3 {
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			switch {
			case parts[0] == "0" && parts[1] == "":
				fields := strings.Fields(line(fsys, path.Join("sys/fs/cgroup", dir, "cpu.max")))
				if len(fields) == 2 {
					take(fields[0], fields[1])
				}
			case holdsCPU(parts[1]):
				for _, mount := range []string{"cpu", "cpu,cpuacct", "cpuacct,cpu"} {
					at := path.Join("sys/fs/cgroup", mount, dir)
					take(line(fsys, path.Join(at, "cpu.cfs_quota_us")), line(fsys, path.Join(at, "cpu.cfs_period_us")))
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// holdsCPU tells whether a hierarchy of version 1 has the controller of CPU time.
func holdsCPU(controllers string) bool {
	for c := range strings.SplitSeq(controllers, ",") {
		if c == "cpu" {
			return true
		}
	}
	return false
}
