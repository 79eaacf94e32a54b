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

// TestEnginesDivideTheCores has two engines of one processor compute by turns and
// at once.
func TestEnginesDivideTheCores(t *testing.T) {
	f := func(threads, alone, beside int) {
		t.Helper()
		var shared cpuShare
		var set [2][]int
		var e [2]*Engine
		for i := range e {
			e[i] = newEngine(&fakeModel{}, threadContext{set: &set[i]}, Config{Name: "m", Cells: 4096, threads: threads, processor: &shared})
		}
		ask := func(i int) {
			e[i].submitted(t, &Request{Prompt: []Token{'a', 'b'}, MaxTokens: 5})
			e[i].sched.step()
		}
		ask(0)
		ask(1)
		e[0].sched.step()
		for range 10 {
			e[1].sched.step()
		}
		e[0].sched.step()
		want := [2][]int{{beside, alone}, {beside}}
		if alone == beside {
			want = [2][]int{}
		}
		for i := range set {
			if !slices.Equal(set[i], want[i]) {
				t.Errorf("engine %d of 2 with %d threads had %v, want %v", i, threads, set[i], want[i])
			}
		}
	}
	f(8, 8, 4)
	f(2, 2, 1)
	f(1, 1, 1)
}
