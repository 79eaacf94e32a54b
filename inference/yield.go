package inference

import (
	"math/bits"
	"sync/atomic"

	"repartee/cpuset"
)

// cpuShare is what engines of one machine share: how many of them have something
// to compute right now, and which.
type cpuShare struct {
	computing atomic.Int32
	taken     atomic.Uint64 // places of engines, a bit each
	busy      atomic.Uint64 // of those that compute
}

// machine is that of all engines that Load makes.
var machine cpuShare

// Computing tells whether an engine of this process has something to compute right
// now. Any goroutine may call it.
func Computing() bool { return machine.computing.Load() > 0 }

// yielding says whether an engine leaves a core to other work in the process.
// Every node of a model's graph ends at a barrier, so one thread that loses its
// core holds all of them up: two threads beside one busy thread decode at less
// than half of what one thread does alone there.
type yielding struct {
	wanted  atomic.Bool
	threads int // of the engine when it has all its cores; 0 = leave them alone
	now     int
	counted bool // in computing
	// Where the engine has CPUs of its own: its place among the engines, a bit, and
	// the part of the CPUs that its threads are on, none before the first step.
	place uint64
	part  part
}

// part is the rank-th of of equal parts.
type part struct{ rank, of int }

// Yield tells the engine that other work needs a core from now on (true) or no
// longer does; the next step has one compute thread fewer, or all again. Any
// goroutine may call it; the last call counts.
func (e *Engine) Yield(on bool) { e.sched.yield.wanted.Store(on) }

// stay keeps the calling thread, which is locked, on the engine's CPUs.
func stay(cfg Config) {
	set := cpuset.Of(cfg.cpus)
	if err := cpuset.Pin(set); err != nil {
		cfg.Log.Error("keeping an engine on its CPUs", "engine", cfg.Name, "error", err)
	}
}

// join takes a place among the engines that divide CPUs. One that finds none shares
// them all.
func (y *yielding) join(cfg Config) {
	if len(cfg.cpus) == 0 || y.threads == 0 {
		return
	}
	for {
		taken := cfg.processor.taken.Load()
		if y.place = ^taken & (taken + 1); y.place == 0 || cfg.processor.taken.CompareAndSwap(taken, taken|y.place) {
			return
		}
	}
}

// leave gives the place back.
func (y *yielding) leave(p *cpuShare) { p.taken.And(^y.place) }

// compute notes whether the engine has something to compute: engines that do so
// at once divide the cores.
func (s *scheduler) compute(on bool) {
	y, p := &s.yield, s.e.cfg.processor
	if y.threads == 0 || on == y.counted {
		return
	}
	y.counted = on
	if on {
		p.busy.Or(y.place)
		p.computing.Add(1)
	} else {
		p.computing.Add(-1)
		p.busy.And(^y.place)
	}
}

// share sets the threads for the next step, and where they are.
func (s *scheduler) share() {
	y, p := &s.yield, s.e.cfg.processor
	if y.threads == 0 {
		return
	}
	engines := max(int(p.computing.Load()), 1)
	want := max(y.threads/engines, 1)
	if y.wanted.Load() {
		want = max(want-1, 1)
	}
	mine := y.part // none, where there are no CPUs of its own
	if len(s.e.cfg.cpus) > 0 {
		mine = part{0, 1}
	}
	if y.place != 0 {
		rank := bits.OnesCount64(p.busy.Load() & (y.place - 1))
		mine = part{min(rank, engines-1), engines}
	}
	if want != y.now {
		if !s.threads(want) {
			return
		}
		y.now = want
	}
	if mine != y.part {
		y.part = mine
		s.pin(mine.cut(s.e.cfg.cpus))
	}
}

// pin keeps the threads of the engine's contexts on some CPUs, where they know how.
func (s *scheduler) pin(cpus []int) {
	contexts := []any{s.e.ctx}
	if d := s.guess.model; d != nil && d.context() != nil {
		contexts = append(contexts, d.context())
	}
	for _, c := range contexts {
		if c, ok := c.(interface{ Pin(cpus []int) error }); ok {
			if err := c.Pin(cpus); err != nil {
				s.e.cfg.Log.Error("dividing the CPUs", "engine", s.e.cfg.Name, "error", err)
			}
		}
	}
}

// threads tells the contexts how many threads the next step has.
func (s *scheduler) threads(n int) bool {
	if err := s.e.ctx.SetThreads(n, n); err != nil {
		s.e.cfg.Log.Error("sharing cores", "engine", s.e.cfg.Name, "threads", n, "error", err)
		return false
	}
	if d := s.guess.model; d != nil && d.context() != nil {
		if err := d.context().SetThreads(n, n); err != nil {
			s.e.cfg.Log.Error("sharing cores", "engine", s.e.cfg.Name, "threads", n, "error", err)
		}
	}
	return true
}

// cut is the part of a list, at least one entry of it.
func (p part) cut(cpus []int) []int {
	from, to := p.rank*len(cpus)/p.of, (p.rank+1)*len(cpus)/p.of
	return cpus[from:max(to, from+1)]
}
