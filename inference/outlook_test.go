package inference

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestRetryAfterComesFromWhatIsQueued lets two requests run and others wait on a
// machine where a step takes 100 ms and 10 ms a row, and reckons by hand when a
// place becomes free.
func TestRetryAfterComesFromWhatIsQueued(t *testing.T) {
	e := stopped(Config{Parallel: 2, MaxQueue: 2, Speculate: SpeculateOff})
	e.sched.cost = linearCost(0.1, 0.01, 0, 0, 0)
	e.sched.cost.fixed, e.sched.cost.n = true, knownMachine
	const token, row = 120 * time.Millisecond, 10 * time.Millisecond // with two streams
	e.submitted(t, &Request{Prompt: tokens("one"), MaxTokens: 40})
	e.submitted(t, &Request{Prompt: tokens("two"), MaxTokens: 60})
	for e.sched.generated < 2 {
		e.sched.step()
	}
	check := func(got, want time.Duration) {
		t.Helper()
		if d := got - want; d < -2*token || d > 2*token { // the steps taken until here
			t.Fatalf("a request waits %s, want about %s", got, want)
		}
	}
	wait := func() time.Duration { return e.outlook.wait(e.waiting, 2) }
	check(wait(), 40*token)
	e.submitted(t, &Request{Prompt: tokens("a prompt of twenty-six char"), MaxTokens: 50}) // after 40 tokens, until 90
	check(wait(), 60*token)
	e.submitted(t, &Request{Prompt: tokens("three"), MaxTokens: 100}) // after 60, until 160
	check(wait(), (40+50)*token+27*row)
	var full *QueueFullError
	_, err := e.Submit(context.Background(), &Request{Prompt: tokens("four")})
	if !errors.As(err, &full) {
		t.Fatalf("Submit to a full queue = %v, want QueueFullError", err)
	}
	check(full.RetryAfter, (40+50)*token+27*row)

	// Answers turn out to be short: everybody is sooner done.
	for range 200 {
		e.outlook.answered(10)
	}
	e.sched.look()
	if got := wait(); got > 30*token {
		t.Fatalf("with answers of ten tokens a request waits %s, want less than %s", got, 30*token)
	}
	for len(e.sched.active)+len(e.waiting) > 0 {
		e.sched.step()
	}
	if got := wait(); got != 0 {
		t.Fatalf("with all places free a request waits %s, want 0", got)
	}
}
