package inference

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"repartee/inference/llama"
)

// One key's burst fills all places and the queue; another key's request is
// answered within a few steps all the same, and nobody's answer changes.
func TestABurstDoesNotDelayAnotherKey(t *testing.T) {
	b := newBench(1<<14, Config{Parallel: 2, MaxQueue: 40, Speculate: SpeculateOff})
	defer b.Close()
	const long = 400
	var burst []*Stream
	for i := range 20 {
		s, err := b.Submit(context.Background(), &Request{Prompt: tokens("burst" + string(rune('a'+i))), MaxTokens: long, Namespace: "loud"})
		if err != nil {
			t.Fatal(err)
		}
		burst = append(burst, s)
	}
	for b.Stats().Steps < 10 {
		time.Sleep(time.Millisecond)
	}
	for _, priority := range []Priority{Interactive, Interactive} {
		before := b.Stats()
		got, _, err := b.ask(context.Background(), &Request{Prompt: tokens("quiet"), MaxTokens: 5, Namespace: "calm", Priority: priority})
		if want := b.model.generate(tokens("quiet"), 5); err != nil || got != want {
			t.Fatalf("answer = %q, %v, want %q", got, err, want)
		}
		if after := b.Stats(); after.Running+after.Waiting == 0 {
			t.Fatal("the burst was over: nothing was tried")
		} else if after.Preempted == before.Preempted && after.Steps-before.Steps > 2*long {
			t.Fatalf("%d steps for 5 tokens and nobody was pushed out", after.Steps-before.Steps)
		}
	}
	if n := b.Stats().Preempted; n == 0 {
		t.Fatal("nobody was pushed out of a place")
	}
	for i, s := range burst {
		got, _, err := collect(s)
		if want := b.model.generate(tokens("burst"+string(rune('a'+i))), long); err != nil || got != want {
			t.Fatalf("answer %d of the burst = %.40q…, %v, want %.40q…", i, got, err, want)
		}
	}
}

// stopped is an engine without its loop over the fake model.
func stopped(cfg Config) *Engine {
	m := &fakeModel{vocab: 20}
	cfg.Name, cfg.Cells = "fake", 4096
	return newEngine(m, newFakeContext(m, 4096), cfg)
}

func (e *Engine) submitted(tb testing.TB, r *Request) *task {
	tb.Helper()
	if _, err := e.Submit(context.Background(), r); err != nil {
		tb.Fatal(err)
	}
	return e.waiting[len(e.waiting)-1]
}

func TestWhoGoesFirst(t *testing.T) {
	e := stopped(Config{Parallel: 4})
	s := &e.sched
	now := time.Now()
	ask := func(space string, p Priority, waited time.Duration, weight float64) *task {
		k := e.submitted(t, &Request{Prompt: tokens("x"), Namespace: space, Priority: p, Weight: weight})
		k.submitted = now.Add(-waited)
		return k
	}
	f := func(what string, a, b *task) {
		t.Helper()
		if !s.before(a, b, now) || s.before(b, a, now) {
			t.Errorf("%s: the wrong one goes first", what)
		}
	}
	f("in order of arrival", ask("a", Interactive, 2*time.Second, 0), ask("a", Interactive, time.Second, 0))
	f("interactive before batch", ask("a", Interactive, 0, 0), ask("a", Batch, batchAge/2, 0))
	f("an old batch request is interactive", ask("a", Batch, 2*batchAge, 0), ask("a", Interactive, 0, 0))
	s.run(ask("a", Interactive, 0, 0))
	f("who has no place before who has one", ask("b", Interactive, 0, 0), ask("a", Interactive, time.Second, 0))
	s.run(ask("b", Interactive, 0, 4))
	s.run(ask("b", Interactive, 0, 4))
	f("places count by weight", ask("b", Interactive, 0, 4), ask("a", Interactive, time.Second, 0))
	s.run(ask("c", Interactive, 0, 0))
	s.accounts["a"].served, s.accounts["c"].served = 10, 5
	if salted := e.submitted(t, &Request{Prompt: tokens("x"), Namespace: "a", CacheSalt: "s"}); s.account(salted) != s.accounts["a"] || salted.shared(ask("a", Interactive, 0, 0)) != 0 {
		t.Error("a salt opens an account of its own, or shares tokens with those without")
	}
	f("who was served less", ask("c", Interactive, 0, 0), ask("a", Interactive, time.Second, 0))
	if d := ask("d", Interactive, 0, 0); s.account(d).served < 0 || s.account(d).served > 10 {
		t.Errorf("a new key starts at %v, want what the least served running one has", s.account(d).served)
	}
}

func TestInteractiveTakesABatchPlace(t *testing.T) {
	e := stopped(Config{Parallel: 1, MaxQueue: 4})
	b := e.submitted(t, &Request{Prompt: tokens("batch"), MaxTokens: 20, Priority: Batch})
	e.sched.step()
	e.sched.step()
	i := e.submitted(t, &Request{Prompt: tokens("interactive"), MaxTokens: 3})
	e.sched.step()
	if len(e.sched.active) != 1 || e.sched.active[0] != i {
		t.Fatal("the interactive request did not get the batch request's place")
	}
	for len(e.sched.active) > 0 || len(e.waiting) > 0 {
		e.sched.step()
	}
	got, res, err := collect(b.stream)
	if want := e.model.(*fakeModel).generate(tokens("batch"), 20); err != nil || got != want {
		t.Fatalf("the batch answer = %q (%+v), %v, want %q", got, res, err, want)
	}
}

func TestADeadlineThatCannotBeKeptIsRefused(t *testing.T) {
	e := stopped(Config{Parallel: 1})
	e.sched.cost = linearCost(0, 1, 0, 0, 0) // a second a row
	e.sched.cost.fixed, e.sched.cost.n = true, knownMachine
	f := func(prompt string, within time.Duration, refused bool) {
		t.Helper()
		k := e.submitted(t, &Request{Prompt: tokens(prompt), MaxTokens: 2, Deadline: time.Now().Add(within)})
		for len(e.waiting)+len(e.sched.active) > 0 {
			e.sched.step()
		}
		_, _, err := collect(k.stream)
		var late *DeadlineError
		if refused != errors.As(err, &late) {
			t.Fatalf("%d tokens within %s: %v, want a refusal: %v", len(prompt), within, err, refused)
		}
		if refused && (late.Estimate < 8*time.Second || !strings.Contains(late.Error(), "expected in")) {
			t.Fatalf("refused with %q, want the estimate of about 16 s", late)
		}
	}
	f("twenty tokens in all", 5*time.Second, true)
	f("twenty tokens in all", time.Hour, false)
	f("twenty tokens in all", 5*time.Second, false) // cached now
	e.sched.cost.n = 0
	f("some other text of it", 5*time.Second, false) // nothing is known yet
}

func TestCostsSurviveTheProcess(t *testing.T) {
	path := costFile(t.TempDir(), LoadConfig{Path: "m.gguf"}, llama.ModelInfo{}, "f16")
	c := newCostModel(false)
	for i := range 50 {
		c.learn(stepLoad{rows: 1 + i%9, cells: i * 10, attended: i * 10, outputs: 1}, time.Duration(1+i%9)*10*time.Millisecond)
	}
	if err := c.save(path); err != nil {
		t.Fatal(err)
	}
	d := newCostModel(false)
	d.load(path)
	if d.now != c.now || d.n != c.n {
		t.Fatalf("loaded %+v, want %+v", d.now, c.now)
	}
	fresh := newCostModel(false)
	f := func(what, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		d := newCostModel(false)
		if d.load(path); *d != *fresh {
			t.Fatalf("a file that %s changed the model", what)
		}
	}
	f("is empty", "")
	f("is cut off", `{"version":1,"prices":[1,`)
	f("is of another version", `{"version":99,"prices":[1,1,1,1,1],"steps":100}`)
	f("knows too little", `{"version":1,"prices":[1,1,1,1,1],"steps":3}`)
	f("is absurd", `{"version":1,"prices":[1e9,1,1,1,1],"steps":100}`)
	f("is huge", strings.Repeat(" ", maxCostFile+1))
	if err := c.save(filepath.Join(path, "below a file")); err == nil {
		t.Fatal("saving below a file gave no error")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".cost-*")); len(left) > 0 {
		t.Fatalf("left behind: %v", left)
	}
}
