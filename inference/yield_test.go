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

// pinnedContext notes the CPUs that its threads were kept on too.
type pinnedContext struct {
	threadContext
	on *[][]int
}

func (c pinnedContext) Pin(cpus []int) error {
	*c.on = append(*c.on, cpus)
	return nil
}

// TestEnginesDivideTheCPUs has engines with CPUs of their own compute alone, beside
// each other, and alone again.
func TestEnginesDivideTheCPUs(t *testing.T) {
	var shared cpuShare
	var on [3][][]int
	var e [3]*Engine
	for i := range e {
		ctx := pinnedContext{threadContext{set: new([]int)}, &on[i]}
		e[i] = newEngine(&fakeModel{}, ctx, Config{Name: "m", Cells: 4096, threads: 4, processor: &shared, cpus: []int{0, 8, 1, 9}})
	}
	ask := func(i int) {
		e[i].submitted(t, &Request{Prompt: []Token{'a', 'b'}, MaxTokens: 5})
		e[i].sched.step()
	}
	ask(0)
	ask(2)
	e[0].sched.step()
	for range 10 {
		e[2].sched.step() // and ends
	}
	e[0].sched.step()
	for range 10 {
		e[0].sched.step()
	}
	ask(2) // alone: all of them again
	want := [3][][]int{{{0, 8, 1, 9}, {0, 8}, {0, 8, 1, 9}}, nil, {{1, 9}, {0, 8, 1, 9}}}
	for i := range on {
		if !slices.EqualFunc(on[i], want[i], slices.Equal) {
			t.Errorf("engine %d was on %v, want %v", i, on[i], want[i])
		}
	}
	if got := shared.taken.Load(); got != 0b111 {
		t.Errorf("places taken: %b, want 111", got)
	}
	e[1].sched.yield.leave(&shared)
	again := newEngine(&fakeModel{}, threadContext{set: new([]int)}, Config{Name: "m", Cells: 4096, threads: 4, processor: &shared, cpus: []int{0}})
	if again.sched.yield.place != 0b010 {
		t.Errorf("the next engine's place is %b, want the one left, 10", again.sched.yield.place)
	}
}

func TestPartsOfCPUs(t *testing.T) {
	for _, tt := range []struct {
		cpus []int
		part part
		want []int
	}{
		{[]int{0, 1, 2, 3}, part{0, 1}, []int{0, 1, 2, 3}},
		{[]int{0, 1, 2, 3}, part{1, 2}, []int{2, 3}},
		{[]int{0, 1, 2, 3, 4}, part{0, 2}, []int{0, 1}},
		{[]int{0, 1, 2, 3, 4}, part{1, 2}, []int{2, 3, 4}},
		{[]int{5}, part{2, 3}, []int{5}},
		{[]int{5, 7}, part{0, 3}, []int{5}},
		{[]int{5, 7}, part{2, 3}, []int{7}},
	} {
		if got := tt.part.cut(tt.cpus); !slices.Equal(got, tt.want) {
			t.Errorf("%+v of %v = %v, want %v", tt.part, tt.cpus, got, tt.want)
		}
	}
}
