package inference

import (
	"slices"
	"testing"
)

// threadContext notes the threads it was given.
type threadContext struct {
	flatContext
	set *[]int
}

func (c threadContext) SetThreads(n, _ int) error {
	*c.set = append(*c.set, n)
	return nil
}

func TestYieldGivesOneCoreAndTakesItBack(t *testing.T) {
	f := func(threads int, want ...int) {
		t.Helper()
		var set []int
		e := newEngine(&fakeModel{}, threadContext{set: &set}, Config{Name: "m", Cells: 4096, threads: threads})
		e.submitted(t, &Request{Prompt: []Token{'a', 'b'}})
		for _, on := range []bool{false, true, true, false, false} {
			e.Yield(on)
			e.sched.step()
			e.sched.step()
		}
		if !slices.Equal(set, want) {
			t.Errorf("of %d threads the steps had %v, want %v", threads, set, want)
		}
	}
	f(4, 3, 4)
	f(2, 1, 2)
	f(1)
	f(0)
}
