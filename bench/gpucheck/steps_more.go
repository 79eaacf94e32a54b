package gpucheck

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"repartee/bench"
)

// agree compares the first tokens' log-probabilities of the card and the processor.
func (r *Runner) agree(ctx context.Context) error {
	prompt := map[string]any{
		"model": "phi3-mini", "messages": []map[string]string{{"role": "user", "content": "Name three colours and three animals."}},
		"max_tokens": 1, "temperature": 0, "logprobs": true, "top_logprobs": 20,
	}
	top := func(device string) (map[string]float64, error) {
		launch, err := r.server("phi3-mini", "--parallel", "2")
		if err != nil {
			return nil, err
		}
		for i, a := range launch.Args {
			if a == "--device" {
				launch.Args[i+1] = device
			}
		}
		p, err := bench.Start(ctx, launch, "repartee on "+device)
		if err != nil {
			return nil, err
		}
		defer p.Stop()
		a, err := ask(ctx, p.URL, prompt, "/v1/chat/completions")
		if err != nil {
			return nil, err
		}
		list, _ := at(a, "choices", 0, "logprobs", "content", 0, "top_logprobs").([]any)
		out := map[string]float64{}
		for _, e := range list {
			token, _ := at(e, "token").(string)
			out[token] = float(at(e, "logprob"))
		}
		return out, nil
	}
	cpu, err := top("cpu")
	if err != nil {
		return err
	}
	gpu, err := top("cuda")
	if err != nil {
		return err
	}
	shared, worst := 0, 0.0
	for token, x := range cpu {
		if y, ok := gpu[token]; ok {
			shared++
			worst = max(worst, math.Abs(x-y))
		}
	}
	if len(cpu) == 0 || shared == 0 {
		return fmt.Errorf("of the %d likeliest tokens on the processor and %d on the card none is the same", len(cpu), len(gpu))
	}
	// Different kernels round differently; a wrong one is off by whole nats.
	c := Check{Group: "agreement", Name: "logits", Status: OK, Value: worst, Unit: "nats", Target: "≤ 0.30 nats", Detail: fmt.Sprintf("largest difference among the %d of 20 likeliest first tokens that both have", shared)}
	if worst > 0.3 || shared < 15 {
		c.Status = Failed
	}
	r.add(c)
	return nil
}

// voice is a voice to speak with: one that came along, else the synthetic one.
func (r *Runner) voice() (file, what string) {
	if r.Have != "" {
		if found, _ := filepath.Glob(filepath.Join(r.Have, "*.onnx")); len(found) > 0 {
			return found[0], filepath.Base(found[0])
		}
	}
	if f := r.voices["vits"]; f != "" {
		return f, "the synthetic VITS voice"
	}
	return "", ""
}

// silent is why speech cannot be measured; empty when it can.
func (r *Runner) silent() string {
	switch {
	case r.runtime != "":
		return r.runtime
	case r.speech != "" && !r.Dry:
		return "speech cannot be computed on this GPU: " + r.speech
	}
	return ""
}

// speak measures speech on the card.
func (r *Runner) speak(ctx context.Context) error {
	file, what := r.voice()
	if file == "" {
		return &notRun{"no voice came along and none could be made"}
	}
	if why := r.silent(); why != "" {
		return &notRun{why}
	}
	device := "cuda"
	if r.Dry {
		device, what = "cpu", what+", on the processor"
	}
	rounds := 12
	if r.Dry {
		rounds = 2
	}
	start := func(device string) (*bench.Process, error) {
		launch := bench.Launch{
			Args: []string{r.Program, "serve", "--listen", "127.0.0.1:{port}", "--model", "none", "--voice", "v=" + file, "--tts-device", device, "--tts-cache", "0", "--log-level", "warn"},
			Env:  r.env(), Ready: "/readyz",
		}
		return bench.Start(ctx, launch, "repartee")
	}
	p, err := start(device)
	if err != nil {
		return err
	}
	defer p.Stop()
	rep, err := r.measure(ctx, "tts", "texts", bench.Options{Rounds: rounds, Warmup: 1, Format: "wav"}, bench.Side{URL: p.URL, Label: "repartee"}, nil)
	if err != nil {
		return err
	}
	engine, err := metric(rep, "engine@short")
	if err != nil {
		return err
	}
	r.judge("speech", "short sentence, engine", engine.A.P50, "ms", true, 20, fmt.Sprintf("%s, p50 of %d, p95 %s ms", what, engine.A.N, number(engine.A.P95)))
	beside, err := metric(rep, "beside@short")
	if err != nil {
		return err
	}
	r.judge("speech", "beside the engine", beside.A.P50, "ms", true, 8, "HTTP, text and encoding of a short sentence")
	// Texts of a new length each time: a runtime that plans anew for each would show.
	var times []float64
	for i := range 2 * rounds {
		began := time.Now()
		if _, err := say(ctx, p.URL, strings.Repeat("word ", 3+i%11)+"and then it ends.", 1); err != nil {
			return err
		}
		per := time.Since(began).Seconds() * 1000
		times = append(times, per/float64(3+i%11+4)) // for each word
	}
	s := bench.Summarise(times)
	r.judge("speech", "varied lengths, p95 ÷ p50", s.P95/s.P50, "×", true, 2, fmt.Sprintf("%d lengths, %s ms a word", s.N, number(s.P50)))
	if r.Dry {
		r.add(Check{Group: "speech", Name: "CPU and GPU agree", Status: NotRun, Detail: "the stand-in has no CUDA for ONNX Runtime"})
		return nil
	}
	q, err := start("cpu")
	if err != nil {
		return err
	}
	defer q.Stop()
	const text = "Hello from two devices."
	a, err := say(ctx, p.URL, text, 7)
	if err != nil {
		return err
	}
	b, err := say(ctx, q.URL, text, 7)
	if err != nil {
		return err
	}
	like := alike(a, b)
	c := Check{Group: "speech", Name: "CPU and GPU agree", Status: OK, Value: like, Unit: "correlation", Target: "≥ 0.98 correlation", Detail: fmt.Sprintf("%d and %d samples of the same text and seed", len(a), len(b))}
	if like < 0.98 {
		c.Status = Failed
	}
	r.add(c)
	return nil
}

// say returns the samples of a text.
func say(ctx context.Context, base, text string, seed int) ([]int16, error) {
	wish := fmt.Sprintf(`{"text":%q,"format":"pcm","stream":false,"seed":%d}`, text, seed)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/tts", strings.NewReader(wish))
	if err != nil {
		return nil, err
	}
	b, err := body(req)
	if err != nil {
		return nil, err
	}
	out := make([]int16, len(b)/2)
	for i := range out {
		out[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	if len(out) == 0 {
		return nil, errors.New("/tts gave no sound")
	}
	return out, nil
}

// alike is the correlation of two sounds over their common length, 0 when their
// lengths differ by more than a fiftieth.
func alike(a, b []int16) float64 {
	n := min(len(a), len(b))
	if n == 0 || max(len(a), len(b))-n > n/50 {
		return 0
	}
	var ab, aa, bb float64
	for i := range n {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// together runs eight streams alone and beside speech.
func (r *Runner) together(ctx context.Context) error {
	file, what := r.voice()
	if file == "" {
		return &notRun{"no voice came along and none could be made"}
	}
	if why := r.silent(); why != "" {
		return &notRun{why}
	}
	device := "cuda"
	if r.Dry {
		device = "cpu"
	}
	n := r.parallel(8)
	launch, err := r.server("phi3-mini", "--parallel", fmt.Sprint(n), "--voice", "v="+file, "--tts-device", device, "--tts-cache", "0")
	if err != nil {
		return err
	}
	p, err := bench.Start(ctx, launch, "repartee")
	if err != nil {
		return err
	}
	defer p.Stop()
	side := bench.Side{URL: p.URL, Label: "repartee", Extra: map[string]any{"ignore_eos": true}}
	o := bench.Options{Rounds: 2, Warmup: 1, Clients: n, Requests: 1, Prompt: 64, Tokens: 96}
	if r.Dry {
		o.Rounds, o.Tokens = 1, 12
	}
	gap := func() (bench.Summary, error) {
		rep, err := r.measure(ctx, "chat", "load", o, side, nil)
		if err != nil {
			return bench.Summary{}, err
		}
		m, err := metric(rep, "gap")
		return m.A, err
	}
	alone, err := gap()
	if err != nil {
		return err
	}
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		spoken := 0
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- spoken
				return
			default:
			}
			if _, err := say(ctx, p.URL, fmt.Sprintf("Sentence number %d is spoken while others read their answers.", i), i); err == nil {
				spoken++
			}
		}
	}()
	beside, err := gap()
	close(stop)
	spoken := <-done
	if err != nil {
		return err
	}
	h, err := get(ctx, p.URL+"/health")
	if err != nil {
		return err
	}
	r.judge("together", together, beside.P99/alone.P99, "×", true, 1.5, fmt.Sprintf("p99 %s against %s ms, %d sentences by %s meanwhile, %v turns of decoding and %v of speech",
		number(beside.P99), number(alone.P99), spoken, what, at(h, "gpu", "turns", "decode", "turns"), at(h, "gpu", "turns", "speech", "turns")))
	return nil
}

// leak asks many times and looks whether memory grows.
func (r *Runner) leak(ctx context.Context) error {
	launch, err := r.server("qwen2.5-1.5b", "--parallel", "4")
	if err != nil {
		return err
	}
	p, err := bench.Start(ctx, launch, "repartee")
	if err != nil {
		return err
	}
	defer p.Stop()
	n := 200
	if r.Dry {
		n = 12
	}
	some := func(n, from int) error {
		for i := range n {
			if _, err := ask(ctx, p.URL, map[string]any{"message": fmt.Sprintf("Question %d of many.", from+i), "max_tokens": 8, "ignore_eos": true}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := some(n/2, 0); err != nil { // until caches are as large as they get
		return err
	}
	card := func() float64 {
		time.Sleep(1100 * time.Millisecond) // the card is read once a second
		h, err := get(ctx, p.URL+"/health")
		if err != nil {
			return 0
		}
		return float(at(h, "gpu", "sample", "free_bytes")) / (1 << 20)
	}
	before, _ := p.Memory()
	free := card()
	if err := some(n, n); err != nil {
		return err
	}
	after, _ := p.Memory()
	r.judge("leak", "host memory", after-before, "MiB", true, 32, fmt.Sprintf("%d requests, %s MiB in the end", n, number(after)))
	r.judge("leak", "card's memory", free-card(), "MiB", true, 16, fmt.Sprintf("%d requests", n))
	return nil
}

// Default finds the parts beside the program.
func Default(program string) Config {
	home := filepath.Join(filepath.Dir(program), "..")
	c := Config{Program: program, Peers: filepath.Join(home, "lib/repartee"), Module: filepath.Join(home, "lib/repartee/cuda/libggml-cuda.so"), Tests: filepath.Join(home, "tests")}
	if driver := filepath.Join(home, "driver"); exists(filepath.Join(driver, "libnvidia-ml.so.1")) {
		c.Driver = driver
	}
	c.Work = filepath.Join(os.TempDir(), "repartee-gpu-check")
	return c
}
