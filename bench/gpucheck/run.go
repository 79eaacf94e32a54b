package gpucheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config says what to check with.
type Config struct {
	Program string // the built repartee
	Peers   string // folder of llama-server and llama-bench of the same build, with its libraries
	Module  string // llama.cpp's CUDA module, which the peers load by path
	Tests   string // folder of test programs PACKAGE.test beside their testdata; empty = none
	Have    string // folder of larger optional parts: voices, onnxruntime-gpu; empty = none
	Work    string // scratch: models are written there; it is left for the next run
	// Driver is a folder of libraries that stand in for the driver's and CUDA's.
	Driver string
	Dry    bool
	Limit  time.Duration // of the whole check; 0 = 9 minutes
	Log    io.Writer
	// Steps that are wanted; empty = all.
	Only []string
}

// Runner carries the steps out and gathers what they find.
type Runner struct {
	Config
	report Report
	libs   []string          // folders of CUDA's libraries, for the peers
	models map[string]string // by shape
	voices map[string]string // by family
	cuda   bool              // the program computes on a GPU (or its stand-in)
	speech string            // why speech cannot be computed on the GPU; empty = it can
	// runtime is why no speech can be computed at all; empty = some can.
	runtime string
}

// step is one part of the check.
type step struct {
	name  string
	limit time.Duration
	// lines are what the step reports, as "not run" when it cannot.
	lines []string
	run   func(context.Context) error
}

// notRun is an error that says why a step has nothing to report.
type notRun struct{ why string }

func (e *notRun) Error() string { return e.why }

// Run carries out all steps within the limit. The error is about the check itself;
// what failed is in the report.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if cfg.Limit <= 0 {
		cfg.Limit = 9 * time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = io.Discard
	}
	if err := os.MkdirAll(cfg.Work, 0o755); err != nil {
		return nil, fmt.Errorf("gpucheck: %w", err)
	}
	r := &Runner{Config: cfg, models: map[string]string{}, voices: map[string]string{}}
	r.report = Report{Began: time.Now(), Dry: cfg.Dry}
	r.all(ctx, r.steps())
	r.report.Took = time.Since(r.report.Began).Seconds()
	return &r.report, nil
}

// all runs steps in order; one that has no time left, or whose turn is not wanted,
// says so in each of its lines.
func (r *Runner) all(ctx context.Context, steps []step) {
	end := r.report.Began.Add(r.Limit)
	for _, s := range steps {
		if len(r.Only) > 0 && !slices.Contains(r.Only, s.name) && s.name != "doctor" && s.name != "models" {
			r.skip(s, "not asked for")
			continue
		}
		left := time.Until(end)
		if left < 5*time.Second || ctx.Err() != nil {
			r.skip(s, fmt.Sprintf("no time is left of %v", r.Limit))
			continue
		}
		fmt.Fprintf(r.Log, "gpu-check: %s\n", s.name)
		began, had := time.Now(), len(r.report.Checks)
		sctx, cancel := context.WithTimeoutCause(ctx, min(s.limit, left), fmt.Errorf("took longer than %v", min(s.limit, left).Round(time.Second)))
		err := r.guarded(sctx, s)
		if err != nil && sctx.Err() != nil {
			err = context.Cause(sctx)
		}
		cancel()
		var not *notRun
		switch {
		case errors.As(err, &not):
			r.skip(s, not.why)
		case err != nil:
			r.add(Check{Group: s.name, Name: "the step itself", Status: Failed, Detail: err.Error()})
			r.missing(s, had, "the step ended before it")
		}
		fmt.Fprintf(r.Log, "gpu-check: %s took %.1f s\n", s.name, time.Since(began).Seconds())
	}
}

// guarded keeps a panic of one step from ending the check.
func (r *Runner) guarded(ctx context.Context, s step) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return s.run(ctx)
}

// skip reports every line of a step as not run, but those it has reported.
func (r *Runner) skip(s step, why string) { r.missing(s, 0, why) }

// missing reports the lines of a step that are not in the report yet.
func (r *Runner) missing(s step, _ int, why string) {
	for _, l := range s.lines {
		if !slices.ContainsFunc(r.report.Checks, func(c Check) bool { return c.Group == s.name && c.Name == l }) {
			r.add(Check{Group: s.name, Name: l, Status: NotRun, Detail: why})
		}
	}
}

func (r *Runner) add(c Check) { r.report.Checks = append(r.report.Checks, c) }

// judge reports a figure against its target; most tells that less is better. A dry
// run has no targets.
func (r *Runner) judge(group, name string, v float64, unit string, most bool, target float64, detail string) {
	c := Check{Group: group, Name: name, Status: OK, Value: v, Unit: unit, Detail: detail}
	sign := "≥"
	if most {
		sign = "≤"
	}
	c.Target = fmt.Sprintf("%s %s %s", sign, number(target), unit)
	if r.Dry {
		c.Target = "(" + c.Target + ")"
	}
	if !r.Dry && (most && v > target || !most && v < target) {
		c.Status = Missed
	}
	r.add(c)
}

// env is what programs are started with.
func (r *Runner) env() []string {
	var env []string
	if r.Driver != "" {
		env = append(env, "LD_LIBRARY_PATH="+r.Driver+":"+os.Getenv("LD_LIBRARY_PATH"))
	}
	if r.Have != "" {
		for name, file := range map[string]string{"REPARTEE_ONNXRUNTIME_GPU": "onnxruntime-gpu/libonnxruntime.so.1.31.1", "REPARTEE_ONNXRUNTIME": "onnxruntime-gpu/libonnxruntime.so.1.31.1"} {
			if path := filepath.Join(r.Have, file); exists(path) {
				env = append(env, name+"="+path)
			}
		}
	}
	return env
}

// peerEnv is what llama-server and llama-bench need to find the module and CUDA.
func (r *Runner) peerEnv() []string {
	return []string{"GGML_BACKEND_PATH=" + r.Module, "LD_LIBRARY_PATH=" + strings.Join(append(append([]string{r.Driver}, r.libs...), r.Peers), ":")}
}

// output runs a program and returns what it printed.
func output(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		said := ""
		if errors.As(err, &exit) {
			lines := strings.Split(strings.TrimSpace(string(exit.Stderr)), "\n")
			said = ": " + strings.Join(lines[max(0, len(lines)-3):], " / ")
		}
		return out, fmt.Errorf("%s %s: %w%s", filepath.Base(name), strings.Join(args, " "), err, said)
	}
	return out, nil
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// doctor asks the program what works; the device of the whole check comes from it.
func (r *Runner) doctor(ctx context.Context) error {
	out, err := output(ctx, r.env(), r.Program, "doctor", "--json")
	var d struct {
		Checks []struct {
			Area, Name, Detail string
			OK, Needed         bool
		}
	}
	if jerr := json.Unmarshal(out, &d); jerr != nil {
		return fmt.Errorf("doctor printed no report: %w", errors.Join(err, jerr))
	}
	bad := []string{}
	for _, c := range d.Checks {
		switch {
		case c.Area == "cpu" && c.Name == "model":
			r.report.Machine = c.Detail
		case c.Area == "llama.cpp" && c.Name == "computes on":
			r.report.Device = c.Detail
		case c.Area == "llama.cpp" && strings.HasPrefix(c.Name, "device ") && strings.HasPrefix(c.Detail, "gpu"):
			r.cuda = true
		case c.Area == "cuda" && c.OK:
			if dir := filepath.Dir(c.Detail); !slices.Contains(r.libs, dir) {
				r.libs = append(r.libs, dir)
			}
		case c.Area == "speech" && c.Name == "CUDA provider" && !c.OK:
			r.speech = c.Detail
		case c.Area == "speech" && c.Name == "ONNX Runtime" && !c.OK:
			r.runtime = "onnxruntime-gpu did not come along (--have)"
		}
		// Models and voices that are not there are not the machine's fault.
		if !c.OK && c.Area != "model" && c.Area != "voice" {
			bad = append(bad, c.Area+" "+c.Name+": "+c.Detail)
		}
	}
	status := OK
	if !r.cuda {
		status = Failed
	}
	r.add(Check{Group: "doctor", Name: "computes on a GPU", Status: status, Detail: r.report.Device})
	if len(bad) == 0 {
		bad = []string{"nothing"}
	}
	r.add(Check{Group: "doctor", Name: "what else is missing", Status: OK, Detail: strings.Join(bad, "; ")})
	if out, err := output(ctx, r.env(), r.Program, "version"); err == nil {
		r.report.Version, _, _ = strings.Cut(strings.TrimPrefix(string(out), "repartee "), "\n")
	}
	return nil
}

// onDevice are the tests that compute with the device, and all of package gpu;
// the others are about the processor, or want bits that only it gives.
const onDevice = "llama:^(TestStep|TestCells|TestBad|TestSeq|TestSave|TestState|TestAbort|TestGreedy|TestNoCells|TestLogprobs|TestShortlist|TestPinned)"

// tests runs the test programs that came along.
func (r *Runner) tests(ctx context.Context) error {
	var programs []string
	if r.Tests != "" {
		programs, _ = filepath.Glob(filepath.Join(r.Tests, "*", "*.test"))
	}
	if len(programs) == 0 {
		return &notRun{"no test programs came along"}
	}
	for _, p := range programs {
		cmd := exec.CommandContext(ctx, p, "-test.short", "-test.timeout=90s", "-test.v")
		if name, run, _ := strings.Cut(onDevice, ":"); strings.HasPrefix(filepath.Base(p), name+".") {
			cmd.Args = append(cmd.Args, "-test.run="+run)
		}
		cmd.Dir = filepath.Dir(p) // testdata lies beside
		cmd.Env = append(os.Environ(), append(r.peerEnv(), "REPARTEE_MODULES="+r.Peers, "REPARTEE_CUDA_MODULE="+r.Module)...)
		out, err := cmd.CombinedOutput()
		text := string(out)
		c := Check{Group: "tests", Name: filepath.Base(p), Status: OK, Detail: fmt.Sprintf("%d passed, %d skipped", strings.Count(text, "--- PASS"), strings.Count(text, "--- SKIP"))}
		if err != nil {
			c.Status = Failed
			var said []string
			for line := range strings.Lines(text) {
				if strings.Contains(line, "--- FAIL") || strings.Contains(line, "panic:") {
					said = append(said, strings.TrimSpace(line))
				}
			}
			if len(said) == 0 {
				lines := strings.Split(strings.TrimSpace(text), "\n")
				said = lines[len(lines)-1:]
			}
			c.Detail += ", " + err.Error() + ": " + strings.Join(said, "; ")
		}
		r.add(c)
	}
	return nil
}

// shapes are the models to write, with the layers that a dry run keeps of them. One
// would not do: the last layer computes only the rows that have logits.
var shapes = []struct {
	name string
	thin int
}{{"phi3-mini", 2}, {"qwen2.5-1.5b", 2}, {"llama3.1-8b", 2}}

// writeModels makes the models, unless an earlier run left them.
func (r *Runner) writeModels(ctx context.Context) error {
	for _, s := range shapes {
		file := filepath.Join(r.Work, s.name+".gguf")
		args := []string{"models", "make", s.name, file}
		if r.Dry {
			file = filepath.Join(r.Work, fmt.Sprintf("%s-%dlayers.gguf", s.name, s.thin))
			args = []string{"models", "make", s.name, file, "--layers", strconv.Itoa(s.thin)}
		}
		if !exists(file) {
			if _, err := output(ctx, r.env(), r.Program, args...); err != nil {
				r.add(Check{Group: "models", Name: s.name, Status: Failed, Detail: err.Error()})
				continue
			}
		}
		st, err := os.Stat(file)
		if err != nil {
			return err
		}
		r.models[s.name] = file
		what := "random weights, real vocabulary and shape"
		if r.Dry {
			what += fmt.Sprintf(", thinned to %d layers", s.thin)
		}
		r.add(Check{Group: "models", Name: s.name, Status: OK, Value: float64(st.Size()) / 1e9, Unit: "GB", Detail: what})
	}
	for _, family := range []string{"vits", "kokoro"} {
		file := filepath.Join(r.Work, family+".onnx")
		args := []string{"models", "make", family, file}
		if r.Dry {
			file = filepath.Join(r.Work, family+"-thin.onnx")
			args = []string{"models", "make", family, file, "--layers", "1"}
		}
		if !exists(file) {
			if _, err := output(ctx, r.env(), r.Program, args...); err != nil {
				r.add(Check{Group: "models", Name: family, Status: Failed, Detail: err.Error()})
				continue
			}
		}
		st, err := os.Stat(file)
		if err != nil {
			return err
		}
		r.voices[family] = file
		r.add(Check{Group: "models", Name: family, Status: OK, Value: float64(st.Size()) / 1e6, Unit: "MB", Detail: "random weights, " + map[bool]string{true: "thinned to one layer of a kind", false: "full shape"}[r.Dry]})
	}
	return nil
}
