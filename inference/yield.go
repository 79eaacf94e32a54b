package inference

import "sync/atomic"

// cpuShare is what engines of one machine share: how many of them have something
// to compute right now.
type cpuShare struct{ computing atomic.Int32 }

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
}

// Yield tells the engine that other work needs a core from now on (true) or no
// longer does; the next step has one compute thread fewer, or all again. Any
// goroutine may call it; the last call counts.
func (e *Engine) Yield(on bool) { e.sched.yield.wanted.Store(on) }

// compute notes whether the engine has something to compute: engines that do so
// at once divide the cores.
func (s *scheduler) compute(on bool) {
	y := &s.yield
	if y.threads == 0 || on == y.counted {
		return
	}
	y.counted = on
	if on {
		s.e.cfg.processor.computing.Add(1)
	} else {
		s.e.cfg.processor.computing.Add(-1)
	}
}

// share sets the threads for the next step.
func (s *scheduler) share() {
	y := &s.yield
	want := max(y.threads/max(int(s.e.cfg.processor.computing.Load()), 1), 1)
	if y.wanted.Load() {
		want = max(want-1, 1)
	}
	if want == y.now || y.threads == 0 {
		return
	}
	if err := s.e.ctx.SetThreads(want, want); err != nil {
		s.e.cfg.Log.Error("sharing cores", "engine", s.e.cfg.Name, "threads", want, "error", err)
		return
	}
	if d := s.guess.model; d != nil {
		if err := d.ctx.SetThreads(want, want); err != nil {
			s.e.cfg.Log.Error("sharing cores", "engine", s.e.cfg.Name, "threads", want, "error", err)
		}
	}
	y.now = want
}
