package inference

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"repartee/inference/llama"
	"repartee/speculation"
)

// countingCard notes who is on it.
type countingCard struct {
	inside, turns atomic.Int32
	most          atomic.Int32
	taken         chan struct{} // when set, Enter waits for it or the end
}

func (c *countingCard) Enter(ctx context.Context, deadline time.Time) error {
	if c.taken != nil {
		select {
		case <-c.taken:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	c.most.Store(max(c.most.Load(), c.inside.Add(1)))
	c.turns.Add(1)
	return nil
}
func (c *countingCard) Leave() { c.inside.Add(-1) }

func TestEachStepIsATurnOnTheCard(t *testing.T) {
	card := &countingCard{}
	b := newBench(4096, Config{GPU: OnGPU{Active: true, Card: card}})
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			prompt := fmt.Sprintf("%d a prompt of its own", i)
			got, _, err := b.ask(context.Background(), &Request{Prompt: tokens(prompt), MaxTokens: 12})
			if want := b.model.generate(tokens(prompt), 12); err != nil || got != want {
				t.Errorf("answer on a card = %q, %v; want %q", got, err, want)
			}
		})
	}
	all.Wait()
	b.Close()
	if card.inside.Load() != 0 || card.most.Load() != 1 || int(card.turns.Load()) != b.ctx.steps {
		t.Errorf("%d turns for %d steps, at most %d at once, %d still inside; want as many, 1 and 0", card.turns.Load(), b.ctx.steps, card.most.Load(), card.inside.Load())
	}
}

// A card that speech does not give back must not keep the process from ending.
func TestCloseDoesNotWaitForTheCard(t *testing.T) {
	b := newBench(4096, Config{GPU: OnGPU{Active: true, Card: &countingCard{taken: make(chan struct{})}}})
	s, err := b.Submit(context.Background(), &Request{Prompt: tokens("held up"), MaxTokens: 3})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, _, err := collect(s); !errors.Is(err, ErrClosed) {
		t.Errorf("the stream ended with %v, want ErrClosed", err)
	}
}

func TestALostContextIsToldOnce(t *testing.T) {
	lost := make(chan error, 10)
	m := &fakeModel{vocab: 20}
	c := newFakeContext(m, 4096)
	c.fail = func(step int) error {
		if step > 3 {
			return fmt.Errorf("%w: the GPU is lost", llama.ErrFatal)
		}
		return nil
	}
	e := New(m, c, Config{Cells: 4096, GPU: OnGPU{Active: true, Lost: func(err error) { lost <- err }}})
	defer e.Close()
	for range 3 {
		if _, _, err := (&bench{Engine: e}).ask(context.Background(), &Request{Prompt: tokens("a prompt"), MaxTokens: 20}); !errors.Is(err, llama.ErrFatal) {
			t.Errorf("the answer ended with %v, want ErrFatal", err)
		}
	}
	if len(lost) != 1 {
		t.Fatalf("told %d times, want once", len(lost))
	}
	if err := <-lost; !errors.Is(err, llama.ErrFatal) || !strings.Contains(err.Error(), "the GPU is lost") {
		t.Errorf("told %v, want ErrFatal with its reason", err)
	}
}

func TestTickLeavesNothingBehind(t *testing.T) {
	card := &countingCard{}
	b := newBench(4096, Config{GPU: OnGPU{Active: true, Card: card}})
	defer b.Close()
	if _, _, err := b.ask(context.Background(), &Request{Prompt: tokens("something to keep"), MaxTokens: 4}); err != nil {
		t.Fatal(err)
	}
	settled := func() { // an answer is there before its step is counted
		t.Helper()
		if err := b.errand(func() {}); err != nil {
			t.Fatal(err)
		}
	}
	settled()
	before, steps := b.Stats().Cache, b.Stats().Steps
	for range 5 {
		if err := b.Tick(); err != nil {
			t.Fatalf("Tick: %v", err)
		}
	}
	got, res, err := b.ask(context.Background(), &Request{Prompt: tokens("something to keep"), MaxTokens: 4})
	if err != nil || got != b.model.generate(tokens("something to keep"), 4) || res.CachedTokens == 0 {
		t.Errorf("after five ticks: %q, %d cached, %v; want the same answer from the cache", got, res.CachedTokens, err)
	}
	settled()
	if n := b.Stats().Generated; n != 8 {
		t.Errorf("%d tokens were generated, want 8: ticks make none", n)
	}
	if after := b.Stats().Cache; after.Used != before.Used {
		t.Errorf("%d cells are used after ticks, want %d as before", after.Used, before.Used)
	}
	if n := int64(card.turns.Load()) - b.Stats().Steps; n != 5 || steps == 0 {
		t.Errorf("%d turns more than steps, want those of the five ticks", n)
	}
}

// On a GPU requests that come together while others stream join in one step.
func TestStreamsJoinTogetherOnAGPU(t *testing.T) {
	f := func(gpu bool, want int) {
		t.Helper()
		e := newEngine(&fakeModel{vocab: 20}, newFakeContext(&fakeModel{vocab: 20}, 4096), Config{Name: "m", Cells: 4096, GPU: OnGPU{Active: gpu}, Speculate: SpeculateOff})
		came := func(at time.Time) { // whatever waits came then
			for _, w := range e.waiting {
				w.submitted = at
			}
		}
		e.submitted(t, &Request{Prompt: tokens("first")})
		e.sched.step()
		e.submitted(t, &Request{Prompt: tokens("second")})
		came(time.Now().Add(time.Hour)) // just now, however slow this machine is
		e.sched.step()
		if got := len(e.sched.active); got != want {
			t.Errorf("gpu %v: %d run right after the second came, want %d", gpu, got, want)
		}
		e.submitted(t, &Request{Prompt: tokens("third")})
		came(time.Now().Add(-gpuJoin))
		e.sched.step()
		if got := len(e.sched.active); got != 3 {
			t.Errorf("gpu %v: %d run when the second has waited, want all 3", gpu, got)
		}
	}
	f(false, 2)
	f(true, 1)
}

// The first steps on a GPU are planned as one likes them, before anything is
// learned: long chunks beside streams, deep guesses.
func TestAGPUIsPlannedForFromTheStart(t *testing.T) {
	cpu, gpu := newCostModel(false), newCostModel(true)
	beside := decoding(8, 8*1000)
	budget := func(c *costModel) time.Duration { return 50*time.Millisecond + c.predict(beside) }
	if c, g := cpu.chunk(beside, 1000, budget(cpu), 1, 1024), gpu.chunk(beside, 1000, budget(gpu), 1, 1024); g != 1024 || c >= 32 {
		t.Errorf("beside 8 streams a chunk has %d rows on a processor and %d on a GPU, want fewer than 32 and all 1024", c, g)
	}
	depth := func(c *costModel) int {
		k, _ := speculation.Depth(16, 4, func(int) float64 { return 0.8 }, func(k int) float64 {
			return c.predict(decoding(4, 4*1000).guessing(k, 1000)).Seconds()
		})
		return k
	}
	if c, g := depth(cpu), depth(gpu); g <= c || g < 8 {
		t.Errorf("guesses that are right four times in five are verified %d deep on a processor, %d on a GPU; want deeper there, at least 8", c, g)
	}
	if rows, outputs := StepShape(8, true); rows != gpuRows || outputs != 128 {
		t.Errorf("StepShape(8, on a GPU) = %d, %d; want %d, 128", rows, outputs, gpuRows)
	}
}
