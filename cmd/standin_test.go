package cmd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"repartee/catalog"
	"repartee/gpu"
	"repartee/supply"
)

// standin is a machine with a stand-in for a GPU's driver: a program and its folder
// of libraries.
type standin struct {
	program string
	driver  string
	env     []string
}

// pretend has the program of asIfWithCUDA say that it was built with CUDA.
const pretend = "REPARTEE_TEST_WITH_CUDA"

// asIfWithCUDA has a plain program find a CUDA module beside itself, which loads
// nothing: it goes through all that a program with CUDA does until the card
// computes, and while it is watched.
func asIfWithCUDA() {
	if os.Getenv(pretend) != "" {
		flavour.built = func() bool { return true }
		flavour.load = func(gpu.Found, gpu.Choice) string { return "" }
	}
}

// newStandin is a machine for the program of "cuda.sh standin", whose card
// computes. It skips where that is not built.
func newStandin(t *testing.T, without []string, defines ...string) *standin {
	t.Helper()
	root := os.Getenv("REPARTEE_STANDIN")
	if root == "" {
		root = "../bin/standin"
	}
	program, err := filepath.Abs(filepath.Join(root, "bin/repartee"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("third_party/cuda.sh standin has not been run")
	}
	return newMachine(t, program, without, defines...)
}

// newPlain is a machine for this very build, which is there wherever tests run: its
// driver and libraries are there, and nothing computes on its card.
func newPlain(t *testing.T, without []string, defines ...string) *standin {
	t.Helper()
	if os.Getenv("REPARTEE_E2E") == "" {
		t.Skip("set REPARTEE_E2E=1: it serves the real model")
	}
	program, err := exec.LookPath("repartee")
	if err != nil {
		t.Fatal(err)
	}
	s := newMachine(t, program, without, defines...)
	s.env = append(s.env, pretend+"=1")
	return s
}

// newMachine lays a driver out: the management library compiled with defines, and
// empty libraries in the place of CUDA's but those in without.
func newMachine(t *testing.T, program string, without []string, defines ...string) *standin {
	t.Helper()
	s := &standin{program: program, driver: t.TempDir()}
	cc := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("cc", append([]string{"-shared", "-fPIC", "-w"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("cc %q: %v\n%s", args, err, out)
		}
	}
	cc(append([]string{"-o", filepath.Join(s.driver, "libnvidia-ml.so.1"), "../gpu/testdata/nvml.c"}, defines...)...)
	for _, name := range []string{"libcuda.so.1", "libcudart.so.13", "libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10", "libcudnn.so.9"} {
		if !slices.Contains(without, name) {
			cc("-x", "c", os.DevNull, "-o", filepath.Join(s.driver, name), "-Wl,-soname,"+name)
		}
	}
	// A cache of its own: CUDA's real libraries may lie in the other.
	s.env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "REPARTEE_CACHE=" + t.TempDir(), "LD_LIBRARY_PATH=" + s.driver}
	for name, part := range map[string]supply.Part{
		"REPARTEE_ONNXRUNTIME": supply.ONNXRuntime, "REPARTEE_ONNXRUNTIME_GPU": supply.ONNXRuntimeGPU, "REPARTEE_ESPEAK_LIBRARY": supply.EspeakLibrary, "REPARTEE_ESPEAK_DATA": supply.EspeakData,
	} {
		if path, err := supply.Find(part); err == nil {
			s.env = append(s.env, name+"="+path)
		}
	}
	return s
}

// onBoth runs a scenario with the program of this build and that of the stand-in.
func onBoth(t *testing.T, name string, run func(t *testing.T, machine func(*testing.T, []string, ...string) *standin, computes bool)) {
	t.Run(name+"/this build", func(t *testing.T) { run(t, newPlain, false) })
	t.Run(name+"/stand-in", func(t *testing.T) { run(t, newStandin, true) })
}

// model is the real default model.
func model(t *testing.T, kind catalog.Kind) string {
	t.Helper()
	path, err := catalog.Resolve(catalog.Default(kind).Name, supply.Dir())
	if err != nil {
		t.Skip(err)
	}
	return path
}

// TestMachinesWithHalfAGPU serves on machines that lack something: each says it in
// one line and answers by the CPU, and refuses with the same line under --device
// cuda.
func TestMachinesWithHalfAGPU(t *testing.T) {
	f := func(name, why string, without []string, defines []string, args ...string) {
		onBoth(t, name, func(t *testing.T, machine func(*testing.T, []string, ...string) *standin, _ bool) {
			s := machine(t, without, defines...)
			args := append([]string{"--voice", "none", "--model", "m=" + model(t, catalog.Model)}, args...)
			p := s.serve(t, args...)
			h := p.ready(t)
			if !strings.HasPrefix(h.Device, "the CPU, because ") || !strings.Contains(h.Device, why) || h.GPU != nil {
				t.Errorf("/health says it computes on %q, want the CPU because of %q", h.Device, why)
			}
			if n := strings.Count(p.log.String(), "msg=device "); n != 1 {
				t.Errorf("%d lines about the device, want one:\n%s", n, p.log)
			}
			p.chat(t)
			refused := exec.Command(s.program, append([]string{"serve", "--listen", "127.0.0.1:0", "--device", "cuda", "--ctx-size", "1024"}, args...)...)
			refused.Env = s.env
			out, err := refused.CombinedOutput()
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			if last := lines[len(lines)-1]; refused.ProcessState.ExitCode() != 1 || !strings.HasPrefix(last, "repartee: ") || !strings.Contains(last, why) {
				t.Errorf("--device cuda: %v, %q; want exit code 1 and a last line with %q", err, last, why)
			}
		})
	}
	f("no cuBLAS", "libcublasLt.so.13, libcublas.so.13 are missing", []string{"libcublas.so.13", "libcublasLt.so.13"}, nil)
	f("old driver", "driver 470.256.02 runs CUDA up to 11.4 and 13.0 is needed", nil, []string{"-DOLD"})
	f("full card", "free 700 MiB of 143771 MiB", nil, []string{"-DFULL"})
	f("full card, layers given", "free 700 MiB of 143771 MiB", nil, []string{"-DFULL"}, "--gpu-layers", "31")
	f("no driver loaded", "no NVIDIA driver is loaded", nil, []string{"-DNO_DRIVER"})
	f("gone before the start", "fallen off the bus", nil, []string{"-DVANISH=0"})
}

// TestWarmedBeforeReady looks at what the card was asked to compute before the
// server was ready: the graphs of 1, 2 and 4 streams, each often enough for the
// library to keep it, with the logits that serving needs or the lists of the best.
func TestWarmedBeforeReady(t *testing.T) {
	f := func(sampling, last string) {
		t.Run("gpu-sampling "+sampling, func(t *testing.T) {
			s := newStandin(t, nil)
			calls := filepath.Join(t.TempDir(), "calls")
			s.env = append(s.env, "STANDIN_CALLS="+calls)
			p := s.serve(t, "--voice", "none", "--model", "m="+model(t, catalog.Model), "--parallel", "4", "--gpu-sampling", sampling)
			p.ready(t)
			b, err := os.ReadFile(calls)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{1, 2, 4} {
				shape := fmt.Sprintf(last, n)
				if got := strings.Count(string(b), shape+"\n"); got < 3 {
					t.Errorf("%d graphs end with %q, want 3 at least:\n%s", got, shape, b)
				}
			}
			p.chat(t)
		})
	}
	f("off", "result_output 49152 x %d x 1")
	f("on", " 1 x 128 x %d")
}

// TestGPUSampling: the same answers wherever the likeliest tokens are found, and
// the counters tell where. The host tier is pinned where the driver allows it.
func TestGPUSampling(t *testing.T) {
	ask := func(p *served, body string) string {
		t.Helper()
		resp, err := http.Post(p.url+"/chat", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out struct{ Reply string }
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil || resp.StatusCode != 200 || out.Reply == "" {
			t.Fatalf("/chat %s = %d, %+v, %v", body, resp.StatusCode, out, err)
		}
		return out.Reply
	}
	metrics := func(p *served) string {
		t.Helper()
		resp, err := http.Get(p.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	args := []string{"--voice", "none", "--model", "m=" + model(t, catalog.Model), "--gpu-sampling"}
	with, without, plain := newStandin(t, nil), newStandin(t, nil), newStandin(t, nil)
	plain.env = append(plain.env, "STANDIN_NO_PINNED=1")
	on, off, unpinned := with.serve(t, append(args, "on")...), without.serve(t, append(args, "off")...), plain.serve(t, append(args, "auto")...)
	for _, p := range []*served{on, off, unpinned} {
		p.ready(t)
	}
	for _, body := range []string{
		`{"message":"Say hello.","max_tokens":24,"temperature":0}`,
		`{"message":"Name a fruit.","max_tokens":24,"seed":3}`,
		`{"message":"Name a river.","max_tokens":24,"seed":4,"temperature":1.5,"top_k":100}`,
	} {
		if a, b := ask(on, body), ask(off, body); a != b {
			t.Errorf("%s: %q on the card, %q on the host", body, a, b)
		}
	}
	m := metrics(on)
	if !strings.Contains(m, `repartee_sampled_rows_total{from="whole",model="m"} 0`) || strings.Contains(m, `repartee_sampled_rows_total{from="list",model="m"} 0`) {
		t.Errorf("rows were copied whole, or none was chosen from a list:\n%s", m)
	}
	if strings.Contains(metrics(off), "repartee_sampled_rows_total{") {
		t.Error("with --gpu-sampling off rows are said to be sampled on the GPU")
	}
	if n := strings.Count(on.log.String(), "msg=sampling "); n != 1 || !strings.Contains(unpinned.log.String(), "copying and searching all logits") {
		t.Errorf("%d lines about sampling, want one; auto says\n%s", n, unpinned.log)
	}
	// Two conversations that do not fit together: one goes to the host's tier.
	for _, p := range []*served{on, unpinned} {
		for i := range 3 {
			ask(p, fmt.Sprintf(`{"message":"%d %s","max_tokens":4,"temperature":0,"ignore_eos":true}`, i, strings.Repeat("word ", 300)))
		}
	}
	pinned := regexp.MustCompile(`repartee_kv_bytes\{model="m",state="pinned",tier="host"\} (\S+)`)
	used := regexp.MustCompile(`repartee_kv_bytes\{model="m",state="used",tier="host"\} (\S+)`)
	value := func(p *served, re *regexp.Regexp) string {
		t.Helper()
		hit := re.FindStringSubmatch(metrics(p))
		if hit == nil {
			t.Fatalf("/metrics lacks %v", re)
		}
		return hit[1]
	}
	if value(on, used) == "0" || value(on, pinned) == "0" {
		t.Errorf("the host's tier holds %s bytes, %s pinned; want all of it pinned", value(on, used), value(on, pinned))
	}
	if value(unpinned, used) == "0" || value(unpinned, pinned) != "0" {
		t.Errorf("without pinned memory the host's tier holds %s bytes, %s pinned; want some and none", value(unpinned, used), value(unpinned, pinned))
	}
}

// TestSpeechWithoutCuDNN has everything for language models and not for speech.
func TestSpeechWithoutCuDNN(t *testing.T) {
	s := newStandin(t, []string{"libcudnn.so.9"})
	if _, err := supply.Find(supply.ONNXRuntimeGPU); err != nil {
		t.Skip(err)
	}
	args := []string{"--model", "m=" + model(t, catalog.Model), "--voice", "v=" + model(t, catalog.Voice)}
	p := s.serve(t, args...)
	h := p.ready(t)
	if h.GPU == nil || len(h.Voices) != 1 || h.Voices[0].Device != "cpu" || !strings.Contains(h.Voices[0].Why, "libcudnn.so.9") {
		t.Errorf("/health: device %q, voices %+v; want the model on the GPU and the voice on the CPU for want of libcudnn.so.9", h.Device, h.Voices)
	}
	resp, err := http.Post(p.url+"/tts", "application/json", strings.NewReader(`{"text":"Hello.","format":"wav"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || len(b) < 1000 {
		t.Errorf("/tts = %d with %d bytes, %v", resp.StatusCode, len(b), err)
	}
	refused := exec.Command(s.program, append([]string{"serve", "--listen", "127.0.0.1:0", "--tts-device", "cuda"}, args...)...)
	refused.Env = s.env
	out, err := refused.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "libcudnn.so.9") {
		t.Errorf("--tts-device cuda: %v, want a refusal that names libcudnn.so.9:\n%s", err, out)
	}
}

// TestTheCardVanishesWhileServing takes the card away between two answers: the
// same process, at the same address, goes on with the CPU.
func TestTheCardVanishesWhileServing(t *testing.T) {
	onBoth(t, "vanishes", vanishes)
}

func vanishes(t *testing.T, machine func(*testing.T, []string, ...string) *standin, computes bool) {
	gone := filepath.Join(t.TempDir(), "lost")
	s := machine(t, nil)
	s.env = append(s.env, "STANDIN_LOST="+gone)
	args := []string{"--voice", "none", "--model", "m=" + model(t, catalog.Model)}
	p, strict := s.serve(t, args...), s.serve(t, append(args, "--device", "cuda")...)
	h := p.ready(t)
	if h.GPU == nil || h.GPU.Plan == nil || len(h.GPU.Plan.Models) != 1 || h.GPU.Plan.Models[0].GPULayers != 31 {
		t.Fatalf("/health: device %q, GPU %+v; want a plan with 31 layers on the card", h.Device, h.GPU)
	}
	first := p.chat(t)
	if h = p.ready(t); h.GPU.Turns["decode"].Turns == 0 {
		t.Errorf("no step was a turn on the card: %+v", h.GPU.Turns)
	}
	strict.ready(t)
	if err := os.WriteFile(gone, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(30 * time.Second); strings.Count(p.log.String(), "listening on ") < 2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("it did not go on:\n%s", p.log)
		}
	}
	h = p.ready(t)
	if !strings.HasPrefix(h.Device, "the CPU, because the GPU was lost: ") || h.GPU != nil {
		t.Errorf("/health says %q, want the CPU because the GPU was lost", h.Device)
	}
	if n := strings.Count(p.log.String(), "the GPU is lost, going on with the CPU"); n != 1 {
		t.Errorf("%d lines say that the GPU is lost, want one:\n%s", n, p.log)
	}
	if second := p.chat(t); second != first {
		if !computes { // then both were the processor's
			t.Errorf("the answer is %q, before it was %q", second, first)
		}
		t.Logf("the processor answers %q, the card answered %q", second, first)
	}
	select {
	case err := <-strict.done:
		strict.done <- err
		if code := strict.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(strict.log.String(), "repartee: gpu: CUDA cannot be used any more: ") {
			t.Errorf("--device cuda ended with %d:\n%s", code, strict.log)
		}
	case <-time.After(30 * time.Second):
		t.Error(fmt.Sprint("--device cuda goes on without its card:\n", strict.log))
	}
}
