package inference

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

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
func (flatContext) RunMove(llama.SeqID, llama.Pos, []int32) error     { return nil }
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

// BenchmarkPlanning is a step of n generating sequences beside a tree of cached
// tokens: with free cells left, and with none, when every step evicts.
func BenchmarkPlanning(b *testing.B) {
	for _, cached := range []int{1e3, 1e4, 1e5, 1e6} {
		for _, n := range []int{1, 16, 64, 256} {
			for _, full := range []bool{false, true} {
				steps := 1000
				if full {
					steps = min(steps, cached/n/2) // behind that the sequences themselves would be short of cells
				}
				if steps < 30 {
					continue
				}
				b.Run(fmt.Sprintf("cached=%d/sequences=%d/full=%t", cached, n, full), func(b *testing.B) {
					e := planning(b, cached, n, full)
					b.ResetTimer()
					for i := 1; b.Loop(); i++ {
						if i%steps == 0 {
							b.StopTimer()
							e = planning(b, cached, n, full)
							b.StartTimer()
						}
						e.sched.step()
					}
				})
			}
		}
	}
}

// planning is an engine without its loop that generates n sequences and has read
// `cached` tokens before, in conversations with common beginnings.
func planning(tb testing.TB, cached, n int, full bool) *Engine {
	tb.Helper()
	conversations := min(200, cached/50)
	each := cached / conversations
	spare := 1 << 20
	if full {
		spare = 3 * n
	}
	e := newEngine(&fakeModel{}, flatContext{}, Config{
		Name: "flat", Cells: cached + spare, Parallel: max(n, conversations), MaxQueue: max(n, conversations), Sequences: n + conversations + 1,
		BatchRows: 1 << 14, StepBudget: time.Hour, Deterministic: true,
		fixed: true, // a context that computes nothing teaches that any number of guesses pays
	})
	submit := func(r *Request) {
		tb.Helper()
		s, err := e.Submit(context.Background(), r)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(s.Close)
	}
	seed := rand.New(rand.NewPCG(1, 2))
	for c := range conversations {
		prompt := make([]Token, each)
		for i := range prompt {
			prompt[i] = Token(1 + seed.IntN(200))
		}
		for i := range min(each/2, 40) { // ten common beginnings
			prompt[i] = Token(1 + c%10)
		}
		submit(&Request{Prompt: prompt, MaxTokens: 1})
	}
	for e.sched.step() {
	}
	for i := range n {
		submit(&Request{Prompt: []Token{Token('a' + i%26), Token(1 + i/26), 'b'}})
	}
	for end := e.sched.steps + 8; e.sched.steps < end || len(e.sched.active) < n; {
		e.sched.step()
	}
	return e
}
