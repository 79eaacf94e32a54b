package tts

import "repartee/cpuset"

// defaultThreads is a thread for each physical core of cpus, or of all that the
// process may use, and leaves large machines to others: more than four threads gain
// little for one clause.
func defaultThreads(cpus cpuset.Set) int {
	top := cpuset.Here()
	on := top.Default(cpuset.Allowed())
	if len(cpus) > 0 {
		on = top.Chosen(cpus)
	}
	return min(max(len(on), 1), 4)
}
