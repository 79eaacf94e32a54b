package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"repartee/catalog"
	"repartee/cpuset"
	"repartee/gpu"
	"repartee/inference/llama"
	"repartee/supply"
	"repartee/tts"
)

type doctorCmd struct {
	JSON bool `help:"Print JSON."`
}

// check is one line of the report.
type check struct {
	Area   string `json:"area"`
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // serve cannot do without it
	Detail string `json:"detail"`
}

// Run prints what works; the exit code is 1 when something needed does not.
func (c *doctorCmd) Run(ctx context.Context, con *console) error {
	var checks []check
	add := func(area, name string, ok, needed bool, detail string) {
		checks = append(checks, check{area, name, ok, needed, detail})
	}
	m := gpu.Machine()
	top := cpuset.Here()
	add("cpu", "model", true, false, m.CPU)
	add("cpu", "cores", true, false, top.Text(cpuset.Allowed()))
	add("cpu", "numa", true, false, numaText(top))
	add("cpu", "features", len(m.Features) > 0, false, strings.Join(m.Features, " "))
	add("memory", "free", m.FreeBytes > 1<<30, false, fmt.Sprintf("%.1f of %.1f GiB", float64(m.FreeBytes)/(1<<30), float64(m.TotalBytes)/(1<<30)))
	add("memory", "huge pages", true, false, hugePagesText())
	telemetry := gpu.NewTelemetry()
	defer telemetry.Close()
	driver := gpu.DriverOf(telemetry)
	add("gpu", "driver", driver.Loaded, false, driver.Detail)
	if err := telemetry.Err(); err != nil {
		add("gpu", "telemetry", false, false, err.Error())
	}
	for i, d := range telemetry.Devices() {
		s, err := telemetry.Sample(i)
		add("gpu", d.UUID, err == nil, false, orError(fmt.Sprintf("%s, compute capability %s, %s", d.Name, d.Capability, s.Text()), err))
	}
	for _, l := range gpu.CUDALibraries(cudaFolders()...) {
		add("cuda", l.Name, l.Path != "", false, l.Detail())
	}
	choice, err := deviceFlags{Device: "auto"}.choose(nil)
	add("llama.cpp", "computes on", err == nil, true, orError(choice.Why, err))
	if llama.Modular {
		checkModule(add)
	}
	add("llama.cpp", "version", llama.Version() != "", true, llama.Version())
	add("llama.cpp", "system", true, false, llama.SystemInfo())
	for _, d := range llama.Devices() {
		add("llama.cpp", "device "+d.Name, true, false, fmt.Sprintf("%s, %s, %.1f GiB", d.Kind, d.Description, float64(d.TotalBytes)/(1<<30)))
	}
	for _, p := range []supply.Part{supply.ONNXRuntime, supply.Phonemizer, supply.EspeakLibrary, supply.EspeakData} {
		path, err := supply.Find(p)
		add("speech", string(p), err == nil, true, orError(path, err))
	}
	runtime, err := supply.Find(supply.ONNXRuntimeGPU)
	if err != nil {
		runtime, _ = supply.Find(supply.ONNXRuntime)
	}
	err = gpu.SpeechCUDA(driver, runtime, cudaFolders()...)
	add("speech", "CUDA provider", err == nil, false, orError("ready: "+runtime, err))
	for _, e := range catalog.Entries {
		if e.Kind == catalog.Voice && !e.Default && !e.Present(supply.Dir()) {
			continue // what could be pulled is listed by "models list"
		}
		detail := e.Path(supply.Dir())
		if !e.Present(supply.Dir()) {
			detail = "not here: " + detail
		}
		add(string(e.Kind), e.Name, e.Present(supply.Dir()), e.Default, detail)
	}
	add("model", "loads", true, true, "")
	probeModel(&checks[len(checks)-1])
	add("voice", "speaks", true, true, "")
	probeVoice(ctx, &checks[len(checks)-1])
	return report(con, checks, c.JSON)
}

// checkModule says of each library that the CUDA module asks the loader for
// where it is, or that it is missing.
func checkModule(add func(area, name string, ok, needed bool, detail string)) {
	needs, err := gpu.Needs(cudaModule())
	if err != nil {
		add("llama.cpp", "CUDA module", false, false, err.Error())
		return
	}
	libs := gpu.CUDALibraries(cudaFolders()...)
	var missing []string
	for _, name := range needs {
		for _, l := range libs {
			if l.Name == name && l.Path == "" {
				missing = append(missing, name)
			}
		}
	}
	detail := cudaModule()
	if len(missing) > 0 {
		detail += " lacks " + strings.Join(missing, ", ")
	}
	add("llama.cpp", "CUDA module", len(missing) == 0, false, detail)
}

// cudaFolders are where "make cuda" unpacks the CUDA libraries on machines without
// a toolkit.
func cudaFolders() []string {
	return []string{filepath.Join(supply.Dir(), "cuda/13.0/cu13/lib"), filepath.Join(supply.Dir(), "cuda/13.0/cudnn/lib")}
}

// probeModel reads the default model's tokenizer and metadata.
func probeModel(c *check) {
	path, err := catalog.Resolve(catalog.Default(catalog.Model).Name, supply.Dir())
	if err == nil {
		var model *llama.Model
		if model, err = llama.LoadModel(llama.ModelParams{Path: path, VocabOnly: true}); err == nil {
			info := model.Info()
			c.Detail = fmt.Sprintf("a vocabulary of %d tokens, a chat template of %d bytes", info.VocabSize, len(info.ChatTemplate))
			model.Close()
		}
	}
	if err != nil {
		c.OK, c.Detail = false, err.Error()
	}
}

// probeVoice speaks a word with the default voice.
func probeVoice(ctx context.Context, c *check) {
	began := time.Now()
	service, err := (&voiceFlags{TTSDevice: "auto"}).loadVoices(nil, nil)
	if err == nil {
		defer service.Close()
		var speech *tts.Speech
		if speech, err = service.Say(ctx, tts.Request{Text: "Ready.", Format: tts.FormatWAV}); err == nil {
			n := &counter{}
			err = copySpeech(ctx, n, speech, func() {})
			c.Detail = fmt.Sprintf("%d bytes of audio by %s, loaded and spoken in %d ms", n.bytes, speech.Info().Voice, time.Since(began).Milliseconds())
		}
	}
	if err != nil {
		c.OK, c.Detail = false, err.Error()
	}
}

// counter counts what is written to it.
type counter struct{ bytes int }

func (c *counter) Write(b []byte) (int, error) { c.bytes += len(b); return len(b), nil }

func orError(text string, err error) string {
	if err != nil {
		return err.Error()
	}
	return text
}

func report(con *console, checks []check, asJSON bool) error {
	bad := 0
	for _, c := range checks {
		if !c.OK && c.Needed {
			bad++
		}
	}
	if asJSON {
		if err := printJSON(con, map[string]any{"ok": bad == 0, "checks": checks}); err != nil {
			return err
		}
	} else {
		for _, c := range checks {
			mark := "ok  "
			switch {
			case !c.OK && c.Needed:
				mark = "FAIL"
			case !c.OK:
				mark = "--  "
			}
			fmt.Fprintf(con.out, "%s  %-10s %-22s %s\n", mark, c.Area, c.Name, c.Detail)
		}
	}
	if bad > 0 {
		return fmt.Errorf("doctor: %d needed things do not work", bad)
	}
	return nil
}
