package llama

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"repartee/cpuset"
)

// threadsOn is how many threads of the process may use exactly these CPUs.
func threadsOn(t *testing.T, s cpuset.Set) int {
	t.Helper()
	files, _ := filepath.Glob("/proc/self/task/*/status")
	if len(files) == 0 {
		t.Skip("no /proc/self/task")
	}
	n := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it ended
		}
		for line := range strings.Lines(string(b)) {
			if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok && strings.TrimSpace(list) == s.String() {
				n++
			}
		}
	}
	return n
}

// TestPinnedThreadsStayThere computes with a team of three on one CPU: helpers that
// are there are moved, later ones come up there, those of a new team too, and no
// thread of the Go runtime follows.
func TestPinnedThreadsStayThere(t *testing.T) {
	defaultModel(t)
	allowed := cpuset.Allowed()
	if len(allowed) < 2 {
		t.Skip("one CPU")
	}
	c := newContext(t, ContextParams{Cells: 256, Threads: 3, ThreadsBatch: 3})
	one, rest := allowed[len(allowed)-1:], allowed[:len(allowed)-1]
	done := make(chan struct{})
	go func() { // its thread ends with it
		runtime.LockOSThread()
		defer close(done)
		step := func(pos Pos) {
			var b Batch
			b.Add(1, pos, 0)
			if err := c.Step(&b); err != nil {
				t.Error(err)
			}
		}
		want := func(when string, s cpuset.Set, n int) {
			t.Helper()
			got := threadsOn(t, s)
			for limit := time.Now().Add(10 * time.Second); got != n && time.Now().Before(limit); got = threadsOn(t, s) {
				runtime.Gosched() // a helper that was told to end takes a moment
			}
			if got != n {
				t.Errorf("%s: %d threads on CPU %s, want %d", when, got, s, n)
			}
		}
		step(0)
		if err := c.Pin(one); err != nil {
			t.Error(err)
		}
		want("a team of three, pinned", one, 3)
		step(1)
		want("after a step", one, 3)
		_ = c.SetThreads(2, 2)
		step(2)
		want("a team of two", one, 2)
		_ = c.SetThreads(4, 4)
		step(3)
		want("a team of four", one, 4)
		c.Rest()
		want("at rest", one, 1)
		step(4)
		want("a new team", one, 4)
		if len(rest) != len(one) || rest[0] != one[0] {
			if err := c.Pin(rest); err != nil {
				t.Error(err)
			}
			want("moved away", one, 0)
		}
		_ = c.SetThreads(2, 2)
		if err := c.Pin(allowed[:2]); err != nil { // a CPU for each
			t.Error(err)
		}
		want("of two, the first", allowed[:1], 1)
		want("of two, the second", allowed[1:2], 1)
		c.Rest()
		step(5)
		want("of a new team of two, the second", allowed[1:2], 1)
		_ = c.SetThreads(1, 1)
		step(6)
		want("one thread alone is on no single CPU", allowed[:1], 0)
		c.Rest()
	}()
	<-done
	for _, cpus := range [][]int{nil, {-1}, {1 << 20}, make([]int, 2000)} {
		if err := c.Pin(cpus); err == nil {
			t.Errorf("Pin(%v) succeeded", cpus)
		}
	}
}

func TestNUMAStrategies(t *testing.T) {
	defaultModel(t)
	if _, err := InitNUMA("mirror"); !errors.Is(err, ErrArgument) || !strings.Contains(err.Error(), "distribute") {
		t.Errorf("InitNUMA(mirror) = %v, want ErrArgument and the strategies there are", err)
	}
	for range 2 { // twice is once
		several, err := InitNUMA(NUMADistribute)
		if want := cpuset.Here().Nodes > 1; err != nil || several != want {
			t.Errorf("InitNUMA(distribute) = %v, %v, want %v", several, err, want)
		}
	}
	if _, err := InitNUMA(NUMAIsolate); !errors.Is(err, ErrArgument) {
		t.Errorf("InitNUMA(isolate) after distribute = %v, want ErrArgument", err)
	}
	c := newContext(t, ContextParams{Cells: 256})
	if out := generate(t, c, newSampler(t, defaultModel(t), SamplingParams{}), 0, prompt(t, defaultModel(t), "Hi"), 512, 4); len(out) == 0 {
		t.Error("no answer with a NUMA strategy")
	}
}

// TestPinIsChecked asks for a CPU that is not there.
func TestPinIsChecked(t *testing.T) {
	c := newContext(t, ContextParams{Cells: 256})
	absent := 1023
	if cpuset.Allowed().Has(absent) {
		t.Skip("a machine of 1024 CPUs")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.Pin([]int{absent}); err == nil {
		t.Errorf("Pin(%d) succeeded", absent)
	}
}
