package llama

import (
	"os"
	"runtime"
	"slices"
	"testing"
	"time"
)

// tasks returns how many threads the process has.
func tasks(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Skipf("counting threads: %v", err)
	}
	return len(list)
}

func TestReleaseThreadsEndsTheHelpers(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Cells: 256, Threads: 9, ThreadsBatch: 9})
	s := newSampler(t, m, SamplingParams{})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ids := prompt(t, m, "Count to three.")
	first := generate(t, c, s, 0, ids, len(ids), 4)
	with := tasks(t)
	c.Rest()
	for limit := time.Now().Add(10 * time.Second); tasks(t) > with-8; {
		if time.Now().After(limit) {
			t.Fatalf("%d threads before Rest, %d after it, want 8 fewer", with, tasks(t))
		}
		runtime.Gosched()
	}
	c.Rest() // twice does nothing
	if err := c.Clear(); err != nil {
		t.Fatal(err)
	}
	if again := generate(t, c, newSampler(t, m, SamplingParams{}), 0, ids, len(ids), 4); !slices.Equal(again, first) {
		t.Fatalf("after Rest = %v, before it %v", again, first)
	}
}
