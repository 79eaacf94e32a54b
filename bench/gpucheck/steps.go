package gpucheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"repartee/bench"
)

// steps are all there are, in order of worth: what comes last is what a slow
// machine leaves out.
func (r *Runner) steps() []step {
	return []step{
		{"doctor", time.Minute, []string{"computes on a GPU"}, r.doctor},
		{"models", 2 * time.Minute, []string{"phi3-mini"}, r.writeModels},
		{"chat", 90 * time.Second, []string{chatTotal, socketTTFT, coldStart}, r.chat},
		{"plan", 90 * time.Second, []string{"phi3-mini", "qwen2.5-1.5b", "llama3.1-8b"}, r.plan},
		{"decode", 60 * time.Second, []string{decodeRate}, r.decode},
		{"agreement", 60 * time.Second, []string{"logits"}, r.agree},
		{"streams", 2 * time.Minute, []string{"1 stream", "8 streams", "32 streams"}, r.streams},
		{"sampling", 60 * time.Second, []string{samplingRate}, r.sampling},
		{"speech", 90 * time.Second, []string{"short sentence, engine", "beside the engine", "varied lengths, p95 ÷ p50", "CPU and GPU agree"}, r.speak},
		{"together", 60 * time.Second, []string{together}, r.together},
		{"leak", 60 * time.Second, []string{"host memory", "card's memory"}, r.leak},
		{"tests", 3 * time.Minute, []string{"gpu.test", "llama.test"}, r.tests},
	}
}

const (
	chatTotal    = "warm /chat, 25 tokens"
	socketTTFT   = "WebSocket, first token"
	coldStart    = "cold start to first token"
	decodeRate   = "decode against llama-bench"
	samplingRate = "GPU against CPU sampling, 32 streams"
	together     = "inter-token p99, 8 streams beside speech ÷ alone"
)

// parallel is how many streams a server is started for.
func (r *Runner) parallel(n int) int {
	if r.Dry {
		return min(n, 4)
	}
	return n
}

// server is the command line of our server over a model.
func (r *Runner) server(shape string, more ...string) (bench.Launch, error) {
	file := r.models[shape]
	if file == "" {
		return bench.Launch{}, &notRun{"the model " + shape + " was not made"}
	}
	args := []string{r.Program, "serve", "--listen", "127.0.0.1:{port}", "--model", shape + "=" + file, "--log-level", "warn", "--speculate", "off", "--device", "cuda"}
	if !slices.Contains(more, "--voice") {
		args = append(args, "--voice", "none")
	}
	if !slices.Contains(more, "--ctx-size") {
		args = append(args, "--ctx-size", r.cells())
	}
	return bench.Launch{Args: append(args, more...), Env: r.env(), Ready: "/readyz"}, nil
}

func (r *Runner) cells() string {
	if r.Dry {
		return "2048"
	}
	return "16384"
}

// llamaServer is the peer over the same model, with the same places and cells.
func (r *Runner) llamaServer(shape string, slots int) (bench.Launch, error) {
	program := filepath.Join(r.Peers, "llama-server")
	if !exists(program) {
		return bench.Launch{}, &notRun{"llama-server did not come along"}
	}
	return bench.Launch{
		Args: []string{program, "-m", r.models[shape], "--host", "127.0.0.1", "--port", "{port}", "-ngl", "99", "-fa", "on", "-c", r.cells(), "-np", strconv.Itoa(slots), "-kvu", "--jinja", "--no-warmup"},
		Env:  r.peerEnv(), Ready: "/health",
	}, nil
}

// measure runs a workload of the bench against one server or two.
func (r *Runner) measure(ctx context.Context, kind, name string, o bench.Options, a bench.Side, b *bench.Side) (*bench.Report, error) {
	w, err := bench.FindWorkload(kind, name)
	if err != nil {
		return nil, err
	}
	limit := time.Minute
	if end, ok := ctx.Deadline(); ok {
		limit = time.Until(end)
	}
	rep, err := bench.Run(ctx, bench.Plan{Workload: w, Options: o, A: a, B: b, Starts: 1, Seed: 1, Limit: limit, Progress: io.Discard})
	if err == nil && rep.Failed() {
		err = fmt.Errorf("%d requests failed: %s", rep.A.Errors, strings.Join(rep.A.ErrorTexts, "; "))
	}
	return rep, err
}

// metric is a figure of a report.
func metric(rep *bench.Report, name string) (bench.MetricReport, error) {
	for _, m := range rep.Metrics {
		if m.Name == name {
			return m, nil
		}
	}
	return bench.MetricReport{}, fmt.Errorf("the measurement has no %q", name)
}

// chat measures what one user feels.
func (r *Runner) chat(ctx context.Context) error {
	launch, err := r.server("phi3-mini", "--parallel", "8")
	if err != nil {
		return err
	}
	// From nothing to the first token, the file in the page cache.
	if b, err := os.Open(r.models["phi3-mini"]); err == nil {
		_, _ = io.Copy(io.Discard, b)
		b.Close()
	}
	began := time.Now()
	p, err := bench.Start(ctx, launch, "repartee")
	if err != nil {
		return err
	}
	defer p.Stop()
	_, err = ask(ctx, p.URL, map[string]any{"message": "Hi", "max_tokens": 1})
	cold := time.Since(began)
	if err != nil {
		return err
	}
	r.judge("chat", coldStart, cold.Seconds(), "s", true, 2, "exec → the answer with one token, file in the page cache")
	rounds := 20
	if r.Dry {
		rounds = 3
	}
	side := bench.Side{URL: p.URL, Label: "repartee", Extra: map[string]any{"ignore_eos": true}}
	rep, err := r.measure(ctx, "chat", "hot", bench.Options{Rounds: rounds, Warmup: 2, Tokens: 25}, side, nil)
	if err != nil {
		return err
	}
	total, err := metric(rep, "total")
	if err != nil {
		return err
	}
	ttft, err := metric(rep, "ttft")
	if err != nil {
		return err
	}
	r.judge("chat", chatTotal, total.A.P50, "ms", true, 100, fmt.Sprintf("p50 of %d, p99 %s ms, first token %s ms", total.A.N, number(total.A.P99), number(ttft.A.P50)))
	rep, err = r.measure(ctx, "ws", "chat", bench.Options{Rounds: rounds, Warmup: 2, Tokens: 25}, side, nil)
	if err != nil {
		return err
	}
	if ttft, err = metric(rep, "ttft"); err != nil {
		return err
	}
	r.judge("chat", socketTTFT, ttft.A.P50, "ms", true, 15, fmt.Sprintf("p50 of %d, p99 %s ms", ttft.A.N, number(ttft.A.P99)))
	return nil
}

// plan loads each shape and compares what was planned with what it took.
func (r *Runner) plan(ctx context.Context) error {
	for _, s := range shapes {
		if r.models[s.name] == "" {
			continue
		}
		args := []string{"--parallel", "8"}
		if r.Dry { // the stand-in's sort takes no memory of the card
			args = append(args, "--gpu-sampling", "off")
		}
		launch, err := r.server(s.name, args...)
		if err != nil {
			return err
		}
		p, err := bench.Start(ctx, launch, "repartee")
		if err != nil {
			r.add(Check{Group: "plan", Name: s.name, Status: Failed, Detail: err.Error()})
			continue
		}
		h, err := get(ctx, p.URL+"/health")
		p.Stop()
		if err != nil {
			return err
		}
		need, took := float(at(h, "gpu", "plan", "needed_bytes")), float(at(h, "gpu", "plan", "taken_bytes"))
		detail := fmt.Sprintf("planned %.0f MiB of weights, %.0f KV, %.0f compute, %v of %v layers; ready after %.1f s", float(at(h, "gpu", "plan", "models", 0, "weights_bytes"))/(1<<20),
			float(at(h, "gpu", "plan", "models", 0, "kv_bytes"))/(1<<20), float(at(h, "gpu", "plan", "models", 0, "compute_bytes"))/(1<<20),
			at(h, "gpu", "plan", "models", 0, "gpu_layers"), at(h, "gpu", "plan", "models", 0, "all_layers"), p.Start.Seconds())
		switch {
		case need == 0:
			r.add(Check{Group: "plan", Name: s.name, Status: Failed, Detail: "/health shows no plan"})
		case took == 0:
			r.add(Check{Group: "plan", Name: s.name, Status: Failed, Value: need / (1 << 20), Unit: "MiB", Detail: detail + "; the driver does not tell what was taken"})
		case r.Dry: // no speed: it is judged
			c := Check{Group: "plan", Name: s.name, Status: OK, Value: 100 * math.Abs(took-need) / need, Unit: "%", Target: "≤ 5.00 %", Detail: detail + fmt.Sprintf("; the stand-in's memory lost %.0f MiB", took/(1<<20))}
			if c.Value > 5 {
				c.Status = Failed
			}
			r.add(c)
		default:
			// The driver's own context and cuBLAS lie beside the plan: they are the
			// reserve's, half a gigabyte.
			const context = 512 << 20
			off := 100 * math.Max(0, math.Abs(took-need-context/2)-context/2) / need
			r.judge("plan", s.name, off, "%", true, 5, detail+fmt.Sprintf("; taken %.0f MiB, of which up to 512 are the driver's context", took/(1<<20)))
		}
	}
	return nil
}

var tokensASecond = regexp.MustCompile(`"avg_ts":\s*([0-9.]+)`)

// decode compares one stream with what llama-bench reaches on the same card.
func (r *Runner) decode(ctx context.Context) error {
	program := filepath.Join(r.Peers, "llama-bench")
	if !exists(program) {
		return &notRun{"llama-bench did not come along"}
	}
	n, reps := 128, "3"
	if r.Dry {
		n, reps = 16, "1"
	}
	launch, err := r.server("phi3-mini", "--parallel", "8")
	if err != nil {
		return err
	}
	out, err := output(ctx, r.peerEnv(), program, "-m", r.models["phi3-mini"], "-p", "0", "-n", strconv.Itoa(n), "-r", reps, "-ngl", "99", "-fa", "1", "-o", "json")
	if err != nil {
		return err
	}
	m := tokensASecond.FindSubmatch(out)
	if m == nil {
		return errors.New("llama-bench printed no rate")
	}
	theirs, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return err
	}
	p, err := bench.Start(ctx, launch, "repartee")
	if err != nil {
		return err
	}
	defer p.Stop()
	var rates []float64
	for range 3 {
		a, err := ask(ctx, p.URL, map[string]any{"message": "Go on", "max_tokens": n, "temperature": 0, "ignore_eos": true})
		if err != nil {
			return err
		}
		t := at(a, "timings")
		if ms := float(at(t, "total_ms")) - float(at(t, "first_token_ms")); ms > 0 {
			rates = append(rates, 1000*(float(at(a, "usage", "completion_tokens"))-1)/ms)
		}
	}
	ours := bench.Median(rates)
	r.judge("decode", decodeRate, ours/theirs, "×", false, 0.95, fmt.Sprintf("%s against %s tok/s", number(ours), number(theirs)))
	return nil
}

// streams compares throughput with llama-server's at several numbers of clients.
func (r *Runner) streams(ctx context.Context) error {
	for _, n := range []int{1, 8, 32} {
		slots := r.parallel(n)
		launch, err := r.server("phi3-mini", "--parallel", strconv.Itoa(slots))
		if err != nil {
			return err
		}
		peer, err := r.llamaServer("phi3-mini", slots)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%d streams", n)
		if n == 1 {
			name = "1 stream"
		}
		extra := map[string]any{"ignore_eos": true}
		o := bench.Options{Rounds: 3, Warmup: 1, Clients: slots, Requests: 1, Prompt: 64, Tokens: 64}
		if r.Dry {
			o.Rounds, o.Tokens = 1, 8
		}
		rep, err := r.measure(ctx, "chat", "load", o, bench.Side{Label: "repartee", Launch: &launch, Extra: extra}, &bench.Side{Label: "llama-server", Launch: &peer, Extra: extra})
		if err != nil {
			r.add(Check{Group: "streams", Name: name, Status: Failed, Detail: err.Error()})
			continue
		}
		m, err := metric(rep, "throughput")
		if err != nil || m.B == nil || m.B.P50 == 0 {
			r.add(Check{Group: "streams", Name: name, Status: Failed, Detail: "no throughput was measured"})
			continue
		}
		detail := fmt.Sprintf("%s against %s tok/s", number(m.A.P50), number(m.B.P50))
		if slots != n {
			detail += fmt.Sprintf(", %d streams in a dry run", slots)
		}
		r.judge("streams", name, m.A.P50/m.B.P50, "×", false, 1, detail)
	}
	return nil
}

// sampling compares choosing tokens on the card with choosing them on the host.
func (r *Runner) sampling(ctx context.Context) error {
	n := r.parallel(32)
	rate := func(where string) (float64, error) {
		launch, err := r.server("phi3-mini", "--parallel", strconv.Itoa(n), "--gpu-sampling", where)
		if err != nil {
			return 0, err
		}
		o := bench.Options{Rounds: 3, Warmup: 1, Clients: n, Requests: 1, Prompt: 64, Tokens: 64, Temperature: 0.8}
		if r.Dry {
			o.Rounds, o.Tokens = 1, 8
		}
		rep, err := r.measure(ctx, "chat", "load", o, bench.Side{Label: "repartee", Launch: &launch, Extra: map[string]any{"ignore_eos": true, "top_k": 40}}, nil)
		if err != nil {
			return 0, err
		}
		m, err := metric(rep, "throughput")
		return m.A.P50, err
	}
	if out, err := output(ctx, nil, r.Program, "serve", "--help"); err != nil || !strings.Contains(string(out), "--gpu-sampling") {
		return &notRun{"this program samples on the host only"}
	}
	on, err := rate("on")
	if err != nil {
		return err
	}
	off, err := rate("off")
	if err != nil {
		return err
	}
	r.judge("sampling", samplingRate, on/off, "×", false, 1.3, fmt.Sprintf("%s against %s tok/s", number(on), number(off)))
	return nil
}
