package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// runBoth runs a workload against two fakes and returns the report.
func runBoth(t *testing.T, a, b *fakeServer, kind, name string, o Options) *Report {
	t.Helper()
	w, err := FindWorkload(kind, name)
	if err != nil {
		t.Fatal(err)
	}
	p := Plan{Workload: w, Options: o, A: Side{URL: a.URL}, Seed: 7, Limit: time.Minute}
	if b != nil {
		p.B = &Side{URL: b.URL}
	}
	r, err := Run(t.Context(), p)
	if err != nil {
		t.Fatalf("Run(%s %s): %v", kind, name, err)
	}
	return r
}

func metric(t *testing.T, r *Report, name string) MetricReport {
	t.Helper()
	for _, m := range r.Metrics {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("%s: metric %q is missing", r.Workload, name)
	return MetricReport{}
}

func TestProbe(t *testing.T) {
	f := func(kind string, want Kind, version string) {
		t.Helper()
		got := newFake(t, kind).target(t)
		if got.Kind != want || got.Version != version || got.Model != "fake:1" {
			t.Errorf("Probe of a fake %s = %s %q model %q, want %s %q fake:1", kind, got.Kind, got.Version, got.Model, want, version)
		}
	}
	f("llama", KindLlama, "b1-fake")
	f("own", KindRepartee, "llama.cpp x repartee 0.1")
}

func TestCalibrate(t *testing.T) {
	fake := newFake(t, "own")
	target := fake.target(t)
	c, err := Calibrate(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(c.Words, fake.twoToken) || len(c.Words) < len(words)-2 {
		t.Errorf("Calibrate keeps %d of %d words, %q among them: %v; want all but that", len(c.Words), len(words), fake.twoToken, slices.Contains(c.Words, fake.twoToken))
	}
	target.Calib = c
	for _, n := range []int{40, 128, 2900} {
		r, err := target.Chat(t.Context(), ChatRequest{Messages: c.UserPrompt(Rand(1, 0, 0, "x"), n), MaxTokens: 1})
		if err != nil || r.Prompt != n {
			t.Errorf("UserPrompt(%d) has %d tokens by the server's count, %v", n, r.Prompt, err)
		}
	}
	// <system> lead 16 words <end> \n <user>: beside the words 5 are shared.
	if c.Shared != 5 || !c.Verified {
		t.Errorf("Calibrate: %d tokens shared beside the system's words, verified %v; want 5, true", c.Shared, c.Verified)
	}
}

func TestHotCountsExactly(t *testing.T) {
	a, b := newFake(t, "own"), newFake(t, "llama")
	r := runBoth(t, a, b, "chat", "hot", Options{Rounds: 3, Warmup: 2, Clients: 2, Requests: 2, Tokens: 5})
	if a.chats != 5*4 || b.chats != 5*4 {
		t.Errorf("5 rounds of 2×2 requests: A saw %d, B %d, want 20 each", a.chats, b.chats)
	}
	if r.A.Requests != 12 || r.B.Requests != 12 || r.Failed() {
		t.Errorf("report: %d and %d requests, failed %v; want 12, 12 without the warm-up, false", r.A.Requests, r.B.Requests, r.Failed())
	}
	if m := metric(t, r, "gap"); m.A.N != 12*4 || m.B.N != 12*4 {
		t.Errorf("12 answers of 5 texts have %d and %d gaps, want 48", m.A.N, m.B.N)
	}
	if m := metric(t, r, "completion"); m.A.Min != 5 || m.A.Max != 5 || m.Ratio.P50 != 1 || m.Ratio.Pairs.N != 3 {
		t.Errorf("completion tokens %+v, ratio %+v; want 5, ratio 1 over 3 pairs", m.A, m.Ratio)
	}
	if m := metric(t, r, "cached"); m.A.Min != m.A.Max || m.A.Min != metric(t, r, "prompt").A.Min-1 {
		t.Errorf("a prompt seen before: cached %+v of %+v", m.A, metric(t, r, "prompt").A)
	}
}

func TestErrorsAreCounted(t *testing.T) {
	a := newFake(t, "own")
	a.refuse = func(n int) bool { return n == 2 || n == 3 }
	r := runBoth(t, a, nil, "chat", "hot", Options{Rounds: 4, Warmup: -1, Tokens: 2})
	if r.A.Requests != 4 || r.A.Errors != 2 || !r.Failed() || len(r.A.ErrorTexts) != 1 || !strings.Contains(r.A.ErrorTexts[0], "status 503") || !strings.Contains(r.A.ErrorTexts[0], "no, not now") {
		t.Errorf("2 of 4 refused: %d requests, %d errors, texts %q", r.A.Requests, r.A.Errors, r.A.ErrorTexts)
	}
	if n := metric(t, r, "ttft").A.N; n != 2 {
		t.Errorf("2 of 4 refused: %d TTFTs, want 2", n)
	}
}

func TestOneToken(t *testing.T) {
	a, b := newFake(t, "own"), newFake(t, "llama")
	r := runBoth(t, a, b, "chat", "onetoken", Options{Rounds: 2, Warmup: 1})
	total, model, beside := metric(t, r, "total"), metric(t, r, "model"), metric(t, r, "beside")
	if a.streams != 0 || model.A.Max != 0.002 || model.B.Max != 0.002 || beside.A.N != 2 || beside.A.P50 >= total.A.P50 {
		t.Errorf("one token: %d streams, model %g and %g ms, beside %+v of %+v; want 0, 0.002, 0.002", a.streams, model.A.Max, model.B.Max, beside.A, total.A)
	}
}

func TestSharedPrefixCountsPrefilledTokens(t *testing.T) {
	a := newFake(t, "own")
	r := runBoth(t, a, nil, "chat", "sharedprefix", Options{Rounds: 1, Clients: 5, Prompt: 300, Tokens: 2})
	m := metric(t, r, "prompt").A
	shared := 300.0 + 5 // words, <system> lead <end> \n <user>
	if want := shared + 5*(m.Min-shared); metric(t, r, "prefill_ideal").A.P50 != want {
		t.Errorf("ideal = %g, want %g", metric(t, r, "prefill_ideal").A.P50, want)
	}
	// The fake caches at arrival, so it reads the shared part once, and of two
	// questions that begin with the same words those too.
	if got := metric(t, r, "prefill_ratio").A.P50; got > 1 || got < 0.95 {
		t.Errorf("prefill ratio of a server that reads nothing twice = %g, want 1 or a little less", got)
	}
}

func TestMultiturnAndSessions(t *testing.T) {
	a := newFake(t, "own")
	r := runBoth(t, a, nil, "chat", "multiturn", Options{Rounds: 1, Prompt: 400, Tokens: 4, Fresh: 50})
	if got := metric(t, r, "prompt").A; got.Max < 400 || got.Max >= 400+100 {
		t.Errorf("multiturn to 400 tokens ended at %g", got.Max)
	}
	if got := metric(t, r, "fresh").A; got.Min != got.Max || got.Max > 100 {
		t.Errorf("fresh tokens a turn %+v, want the same each turn: the answer and the new message", got)
	}
	r = runBoth(t, a, nil, "chat", "manysessions", Options{Rounds: 1, Sessions: 5, Prompt: 100, Turns: 3, Tokens: 2})
	if got := metric(t, r, "ttft").A.N; got != 10 {
		t.Errorf("5 conversations of 3 turns: %d later turns, want 10", got)
	}
	if got := metric(t, r, "cached_share").A.Min; got < 0.7 {
		t.Errorf("least cached share %g of a server that keeps all", got)
	}
}

func TestLongBeside(t *testing.T) {
	a := newFake(t, "own")
	r := runBoth(t, a, nil, "chat", "longbeside", Options{Rounds: 1, Clients: 2, Prompt: 500, Tokens: 50})
	if n := metric(t, r, "gap_before").A.N; n < 2*(stillness-2) {
		t.Errorf("gaps before the long prompt: %d, want at least %d", n, 2*(stillness-2))
	}
	if got := metric(t, r, "prompt").A.P50; got != 500 {
		t.Errorf("the long prompt has %g tokens, want 500", got)
	}
}

func TestSplitGaps(t *testing.T) {
	at := func(ms ...int) (out []time.Time) {
		for _, v := range ms {
			out = append(out, time.UnixMilli(int64(v)))
		}
		return out
	}
	f := func(arrivals []time.Time, before, during string) {
		t.Helper()
		b, d := SplitGaps(arrivals, time.UnixMilli(100), time.UnixMilli(200))
		if fmt.Sprint(b) != before || fmt.Sprint(d) != during {
			t.Errorf("SplitGaps(%v) = %v, %v; want %s, %s", arrivals, b, d, before, during)
		}
	}
	f(at(10, 30, 60), "[20 30]", "[]")
	f(at(90, 100, 110), "[10]", "[10]")
	f(at(90, 250, 300), "[]", "[160]") // frozen over the whole time
	f(at(150, 160, 210, 220), "[]", "[10 50]")
	f(at(200, 210), "[]", "[]")
	f(nil, "[]", "[]")
}

func TestCancelLeaves(t *testing.T) {
	a := newFake(t, "own")
	a.hold = make(chan struct{})
	r := runBoth(t, a, nil, "chat", "cancel", Options{Rounds: 2, Prompt: 1500, Delay: 30 * time.Millisecond})
	a.Close() // waits for its handlers
	if a.left != 2 || metric(t, r, "ttft_after").A.N != 2 || metric(t, r, "ttft_second").A.N != 2 || r.Failed() {
		t.Errorf("2 rounds: %d clients left, report %+v", a.left, r.A)
	}
}

func TestDeterminismAndReference(t *testing.T) {
	a, b := newFake(t, "own"), newFake(t, "own")
	o := Options{Requests: 8, Prompt: 100, Tokens: 3, Clients: 3}
	r := runBoth(t, a, nil, "chat", "determinism", o)
	if c, k := metric(t, r, "changed@from-cache").A, metric(t, r, "changed@in-company").A; c.Max != 0 || k.Max != 0 || len(r.A.Texts) != 8 {
		t.Errorf("a server that never changes: %g from cache, %g in company, %d texts kept", c.Max, k.Max, len(r.A.Texts))
	}
	file := filepath.Join(t.TempDir(), "r.json")
	if err := r.WriteJSON(file); err != nil {
		t.Fatal(err)
	}
	o.Reference = file
	b.salt = "!"
	r = runBoth(t, b, nil, "chat", "determinism", o)
	if got := metric(t, r, "changed@reference").A.Max; got != 8 {
		t.Errorf("a server that says it otherwise: %g of 8 changed against the reference", got)
	}
	r = runBoth(t, a, b, "chat", "speculation", Options{Rounds: 2, Tokens: 4})
	if r.Differ["copy"] != 2 || r.TextPairs["copy"] != 2 {
		t.Errorf("texts that differ in each of 2 rounds: %v of %v", r.Differ, r.TextPairs)
	}
	a.pace = time.Millisecond
	r = runBoth(t, a, nil, "chat", "guesses", Options{Rounds: 3, Clients: 2, Tokens: 4})
	if m, c := metric(t, r, "with_of_without@story-auto").A, metric(t, r, "changed@story-auto").A; m.N != 3 || m.P50 <= 0 || c.Max != 0 || metric(t, r, "completion@copy-off").A.N != 6 {
		t.Errorf("three rounds of two clients: %+v, %g texts changed", m, c.Max)
	}
	r = runBoth(t, a, nil, "chat", "prediction", Options{Rounds: 2, Tokens: 4})
	if m := metric(t, r, "with_of_without@copy-wrong").A; m.N != 2 || m.P50 <= 0 {
		t.Errorf("two rounds with a wrong prediction: %+v", m)
	}
	r = runBoth(t, a, a, "chat", "synthetic", Options{Rounds: 2, Clients: 2, Tokens: 4})
	if r.Differ["again"] != 0 || r.TextPairs["again"] != 4 || metric(t, r, "completion@again").A.N != 4 {
		t.Errorf("two clients, two rounds: %v of %v texts differ, want 0 of 4", r.Differ, r.TextPairs)
	}
}

func TestSpeech(t *testing.T) {
	a, b := newFake(t, "own"), newFake(t, "own")
	r := runBoth(t, a, b, "tts", "texts", Options{Rounds: 2, Warmup: 1})
	if a.speech != 9 || b.speech != 9 {
		t.Errorf("3 rounds of 3 texts: %d and %d requests", a.speech, b.speech)
	}
	if m := metric(t, r, "engine@short").A; m.P50 != 0.25 || m.N != 2 {
		t.Errorf("engine time %+v, want the header's 0.25 twice", m)
	}
	if m := metric(t, r, "audio@long").A; m.P50 != 1 {
		t.Errorf("audio %+v, want 1 s", m)
	}
	r = runBoth(t, a, nil, "tts", "clients", Options{Rounds: 1, Warmup: -1, Clients: 3, Requests: 2})
	if m := metric(t, r, "mixed_up").A; m.P50 != 0 || m.N != 1 {
		t.Errorf("answers mixed up %+v, want 0", m)
	}
	r = runBoth(t, a, nil, "tts", "stream", Options{Rounds: 1, Warmup: -1})
	if m := metric(t, r, "first_byte@sentence").A; m.N != 1 {
		t.Errorf("first byte %+v", m)
	}
}

func TestStreamsTrailer(t *testing.T) {
	target := newFake(t, "own").target(t)
	r, err := target.Say(t.Context(), "Hello.", "wav", false, nil)
	if err != nil || r.Server.Speech != 0.5 || r.Bytes != 44+2*fakeRate || r.Audio != time.Second {
		t.Errorf("Say = %+v, %v; want 0.5 ms from the trailer, %d bytes, 1 s", r, err, 44+2*fakeRate)
	}
}

func TestRunIsInterrupted(t *testing.T) {
	a := newFake(t, "own")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a.refuse = func(n int) bool {
		if n == 3 {
			stop()
		}
		return false
	}
	w, _ := FindWorkload("chat", "hot")
	r, err := Run(ctx, Plan{Workload: w, Options: Options{Rounds: 1000, Warmup: -1, Tokens: 1}, A: Side{URL: a.URL}})
	if !errors.Is(err, context.Canceled) || r == nil || r.A.Requests == 0 || r.A.Requests > 4 {
		t.Errorf("Run, interrupted in the third request: %v, report %+v", err, r)
	}
}

func TestReportForms(t *testing.T) {
	a, b := newFake(t, "own"), newFake(t, "llama")
	r := runBoth(t, a, b, "chat", "hot", Options{Rounds: 2, Tokens: 2})
	for _, markdown := range []bool{false, true} {
		var out bytes.Buffer
		if err := r.Write(&out, markdown); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"ttft", "A/B p50", "repartee", "llama-server", "2 requests, 0 errors"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("report (markdown %v) lacks %q:\n%s", markdown, want, out.String())
			}
		}
	}
}

func TestEveryMetricIsKnown(t *testing.T) {
	known := map[string]bool{}
	for _, m := range Metrics {
		if known[m.Name] || m.Unit == "" || m.Help == "" {
			t.Errorf("metric %+v: named twice, or without unit or help", m)
		}
		known[m.Name] = true
	}
	a := newFake(t, "own")
	for _, w := range Workloads() {
		if w.Kind == "ws" || w.Kind == "mixed" && w.Name == "mixed" || w.Owned || w.Name == "cancel" {
			continue
		}
		r := runBoth(t, a, nil, w.Kind, w.Name, Options{Rounds: 1, Warmup: -1, Clients: 2, Requests: 2, Prompt: 80, Tokens: 40, Sessions: 2, Turns: 2, Delay: 50 * time.Millisecond})
		for _, m := range r.Metrics {
			if base, _, _ := strings.Cut(m.Name, "@"); !known[base] {
				t.Errorf("%s %s records %q, which Metrics does not have (%v)", w.Kind, w.Name, m.Name, slices.Sorted(maps.Keys(known)))
			}
		}
		if r.Failed() || len(r.Metrics) == 0 {
			t.Errorf("%s %s: errors %q, %d metrics", w.Kind, w.Name, r.A.ErrorTexts, len(r.Metrics))
		}
	}
}
