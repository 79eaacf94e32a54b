package inference

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"repartee/inference/llama"
	"repartee/internal/invariants"
)

// flatContext computes nothing: every row's next token is 'a'. It is what a step
// costs beside the model.
type flatContext struct{}

func (flatContext) Step(b *llama.Batch) error {
	b.Out = slices.Grow(b.Out[:0], len(b.Tokens))[:len(b.Tokens)]
	for i := range b.Out {
		b.Out[i] = 'a'
	}
	for g := range b.Groups {
		b.Groups[g].Accepted = 1
	}
	return nil
}

func (flatContext) SeqCopy(_, _ llama.SeqID, _, _ llama.Pos) error    { return nil }
func (flatContext) SeqRemove(llama.SeqID, llama.Pos, llama.Pos) error { return nil }
func (flatContext) SeqMove(llama.SeqID, llama.Pos, []int32) error     { return nil }
func (flatContext) Clear() error                                      { return nil }
func (flatContext) SetThreads(int, int) error                         { return nil }
func (flatContext) Abort()                                            {}
func (flatContext) Close()                                            {}

// stepping is an engine without its loop, with n requests that generate.
func stepping(tb testing.TB, n, cells int) *Engine {
	tb.Helper()
	e := newEngine(&fakeModel{}, flatContext{}, Config{Name: "flat", Cells: cells, Parallel: n, MaxQueue: n, Sequences: n + 1, Deterministic: true})
	for i := range n {
		s, err := e.Submit(context.Background(), &Request{Prompt: []Token{Token('a' + i%26), Token(1 + i/26), 'b'}})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(s.Close)
	}
	for e.sched.steps < 8 || len(e.sched.active) < n {
		e.sched.step()
	}
	return e
}

// A step's lists grow now and then; what it allocates for every token would show
// as one or more a step.
func TestStepAllocatesNothingPerToken(t *testing.T) {
	if invariants.Enabled {
		t.Skip("self-checks allocate")
	}
	e := stepping(t, 8, 1<<15)
	if n := testing.AllocsPerRun(1000, func() { e.sched.step() }); n != 0 {
		t.Fatalf("a step of 8 sequences allocates %v times, want 0", n)
	}
}

func BenchmarkStep(b *testing.B) {
	for _, n := range []int{1, 8, 64, 256} {
		b.Run(fmt.Sprintf("sequences=%d", n), func(b *testing.B) {
			e := stepping(b, n, 1<<20)
			b.ReportAllocs()
			for steps := 0; b.Loop(); steps++ {
				if steps == 2000 { // the cells would run out
					b.StopTimer()
					e = stepping(b, n, 1<<20)
					steps = 0
					b.StartTimer()
				}
				e.sched.step()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/token")
		})
	}
}
