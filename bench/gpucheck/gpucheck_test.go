package gpucheck

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// runner is one whose steps the test gives.
func runner(limit time.Duration, dry bool, only ...string) *Runner {
	r := &Runner{Config: Config{Limit: limit, Dry: dry, Only: only, Log: discard{}}}
	r.report.Began = time.Now()
	return r
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// find is the report's line of a step.
func find(t *testing.T, r *Runner, group, name string) Check {
	t.Helper()
	i := slices.IndexFunc(r.report.Checks, func(c Check) bool { return c.Group == group && c.Name == name })
	if i < 0 {
		t.Fatalf("the report has no line %q of %q: %+v", name, group, r.report.Checks)
	}
	return r.report.Checks[i]
}

// TestWhateverDoesNotRunIsSaid goes through the ways in which a step can fall out.
func TestWhateverDoesNotRunIsSaid(t *testing.T) {
	f := func(name string, r *Runner, run func(context.Context) error, limit time.Duration, want Status, why string) {
		t.Helper()
		r.all(t.Context(), []step{{"speech", limit, []string{"a", "b"}, func(ctx context.Context) error {
			r.add(Check{Group: "speech", Name: "a", Status: OK})
			return run(ctx)
		}}})
		if c := find(t, r, "speech", "b"); c.Status != NotRun || !strings.Contains(c.Detail, why) {
			t.Errorf("%s: line b is %+v, want not run because of %q", name, c, why)
		}
		if want == Failed {
			if c := find(t, r, "speech", "the step itself"); c.Status != Failed || c.Detail == "" {
				t.Errorf("%s: %+v, want a failure with its reason", name, c)
			}
		}
		if n := r.report.Count(NotRun); n > 2 || r.report.Count(Failed) > 1 {
			t.Errorf("%s: lines were reported twice: %+v", name, r.report.Checks)
		}
	}
	none := func(context.Context) error { return nil }
	f("cannot", runner(time.Minute, false), func(context.Context) error { return &notRun{"no voice came along"} }, time.Minute, NotRun, "no voice came along")
	f("fails", runner(time.Minute, false), func(context.Context) error { return errors.New("broken") }, time.Minute, Failed, "the step ended before it")
	f("panics", runner(time.Minute, false), func(context.Context) error { panic("worse") }, time.Minute, Failed, "the step ended before it")
	f("too slow", runner(time.Minute, false), func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, time.Millisecond, Failed, "the step ended before it")
	f("no time left", runner(time.Second, false), none, time.Minute, NotRun, "no time is left of 1s")
	f("not wanted", runner(time.Minute, false, "chat"), none, time.Minute, NotRun, "not asked for")
}

func TestTargets(t *testing.T) {
	f := func(dry bool, v float64, most bool, want Status) {
		t.Helper()
		r := runner(time.Minute, dry)
		r.judge("chat", "x", v, "ms", most, 100, "")
		if c := r.report.Checks[0]; c.Status != want || strings.HasPrefix(c.Target, "(") != dry {
			t.Errorf("%v with at most %v and target 100, dry %v: %+v, want %s", v, most, dry, c, want)
		}
	}
	f(false, 99, true, OK)
	f(false, 101, true, Missed)
	f(true, 101, true, OK)
	f(false, 101, false, OK)
	f(false, 99, false, Missed)
}

func TestReportReadsWell(t *testing.T) {
	r := Report{
		Began: time.Date(2026, 11, 25, 17, 0, 0, 0, time.UTC), Took: 311, Version: "1.0", Machine: "16 cores", Device: "NVIDIA H200",
		Checks: []Check{
			{Group: "chat", Name: "warm", Status: Missed, Value: 123.4, Unit: "ms", Target: "≤ 100 ms", Detail: "p50 | of\nmany"},
			{Group: "chat", Name: "socket", Status: OK, Value: 7.25, Unit: "ms", Target: "≤ 15 ms"},
			{Group: "speech", Name: "short", Status: NotRun, Detail: "no voice came along"},
		},
	}
	var b strings.Builder
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"1 ok, 1 short of the target, 0 failed, 1 not run, in 311 s. repartee 1.0, 2026-11-25 17:00 UTC.", "| missed | warm | 123 ms | ≤ 100 ms | p50 \\| of many |",
		"| ok | socket | 7.25 ms |", "## What did not run, and why", "| speech: short | no voice came along |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "Dry run") {
		t.Error("a real run says that it is dry")
	}
	path := filepath.Join(t.TempDir(), "r.json")
	if err := r.WriteJSON(path); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	var back Report
	if err != nil || json.Unmarshal(data, &back) != nil || len(back.Checks) != 3 || back.Checks[2].Status != NotRun {
		t.Errorf("WriteJSON wrote %s, %v", data, err)
	}
}

// Each step names its lines once, so that none can be missing from a report.
func TestStepsNameTheirLines(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range (&Runner{}).steps() {
		if seen[s.name] || len(s.lines) == 0 || s.limit <= 0 || s.run == nil {
			t.Errorf("step %q is named twice, or names no lines or no limit", s.name)
		}
		seen[s.name] = true
	}
}

func TestAlike(t *testing.T) {
	a := make([]int16, 1000)
	for i := range a {
		a[i] = int16(i*7919%2000 - 1000)
	}
	b := slices.Clone(a)
	for i := range b {
		b[i] = -b[i]
	}
	if got := alike(a, a); got < 0.999 {
		t.Errorf("alike(a, a) = %v, want 1", got)
	}
	if got := alike(a, b); got > -0.999 {
		t.Errorf("alike(a, −a) = %v, want −1", got)
	}
	if got := alike(a, a[:900]); got != 0 {
		t.Errorf("alike(a, a shorter one) = %v, want 0", got)
	}
	if got := at(map[string]any{"a": []any{map[string]any{"b": 2.5}}}, "a", 0, "b"); float(got) != 2.5 || at(nil, "a") != nil || at([]any{}, 3) != nil {
		t.Errorf("at = %v, want 2.5, and nil where there is nothing", got)
	}
}
