package cmd

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"repartee/gpu"
	"repartee/inference/llama"
)

// deviceFlags say where language models are computed.
type deviceFlags struct {
	Device   string        `help:"Where models are computed: auto takes a GPU where everything for it is there and says why when not, cpu never touches one, cuda refuses to start without." enum:"auto,cpu,cuda" default:"auto"`
	GPU      string        `name:"gpu" help:"UUID of the GPU to use; empty takes the one with most free memory." default:"" placeholder:"UUID"`
	GPUAwake time.Duration `name:"gpu-awake" help:"After how long without work a small step keeps a GPU's clocks up, 50ms … 1h; 0 lets them drop, which saves power and makes the next answer start late." default:"250ms" placeholder:"D"`
}

func (d deviceFlags) check() error {
	if d.GPUAwake != 0 && (d.GPUAwake < 50*time.Millisecond || d.GPUAwake > time.Hour) {
		return usagef("--gpu-awake %s: want 0 or 50ms … 1h", d.GPUAwake)
	}
	return nil
}

// moduleFolder is where the backends of a modular build lie, beside the program.
func moduleFolder() string {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return ""
	}
	return filepath.Join(filepath.Dir(exe), "..", "lib", "repartee")
}

// cudaModule is llama.cpp's CUDA backend, which a modular build brings along.
func cudaModule() string { return filepath.Join(moduleFolder(), "cuda", "libggml-cuda.so") }

// flavour is what a program with CUDA has beside it: whether that is there, and how
// it is loaded. Tests of the whole program put another in its place.
var flavour = struct {
	built func() bool
	load  func(gpu.Found, gpu.Choice) string
}{func() bool {
	_, err := os.Stat(cudaModule())
	return llama.Modular && err == nil
}, loadCUDA}

// planner says what goes into a card's memory, or why not enough of it does.
type planner func(gpu.Device) (*gpu.Plan, error)

// device is where this process computes.
type device struct {
	gpu.Choice
	telemetry *gpu.Telemetry
	plan      *gpu.Plan // nil when nothing was planned
}

// chosen is the device of this process: backends are loaded once.
var chosen struct {
	sync.Once
	device device
	err    error
}

// announce chooses and logs it, where there was something to choose.
func (d deviceFlags) announce(plan planner) (device, error) {
	dev, err := d.choose(plan)
	if err == nil && (llama.Modular || flavour.built() || len(dev.telemetry.Devices()) > 0 || gpu.Driver().Loaded) {
		for _, c := range dev.telemetry.Devices() {
			slog.Info("GPU", "uuid", c.UUID, "name", c.Name, "pci", c.PCI, "capability", c.Capability, "free_mib", c.FreeBytes>>20, "total_mib", c.TotalBytes>>20)
		}
		slog.Info("device", "uses", dev.Why)
	}
	return dev, err
}

// choose decides on a device and loads llama.cpp's backends for it. plan may be
// nil: then memory is not looked at.
func (d deviceFlags) choose(plan planner) (device, error) {
	chosen.Do(func() {
		telemetry := gpu.NewTelemetry() // until the end of the process
		chosen.device, chosen.err = d.decide(telemetry, plan)
		chosen.device.telemetry = telemetry
	})
	return chosen.device, chosen.err
}

func (d deviceFlags) decide(telemetry *gpu.Telemetry, plan planner) (device, error) {
	found := gpu.Look(telemetry, flavour.built(), append(cudaFolders(), filepath.Join(moduleFolder(), "cuda"))...)
	mode := gpu.DeviceMode(d.Device)
	var dev device
	onCPU := func(why string) (device, error) {
		if mode == gpu.CUDA {
			return device{}, fmt.Errorf("%w: %s", gpu.ErrNoCUDA, why)
		}
		return device{Choice: gpu.Choice{Why: "the CPU, because " + why}}, llama.UseModules(moduleFolder(), "")
	}
	if why := os.Getenv(lostGPU); why != "" && mode == gpu.Auto {
		return onCPU("the GPU was lost: " + why)
	}
	var err error
	if dev.Choice, err = found.Choose(mode, d.GPU); err != nil {
		return dev, err
	}
	if !dev.CUDA {
		return dev, llama.UseModules(moduleFolder(), "")
	}
	if plan != nil {
		if dev.plan, err = plan(dev.Device); err != nil {
			return onCPU(err.Error())
		}
	}
	if why := flavour.load(found, dev.Choice); why != "" {
		if mode == gpu.CUDA {
			return device{}, fmt.Errorf("%w: %s", gpu.ErrNoCUDA, why)
		}
		return device{Choice: gpu.Choice{Why: "the CPU, because " + why}}, nil
	}
	return dev, nil
}

// loadCUDA opens the libraries and the module for the chosen card; the text says
// why that failed.
func loadCUDA(found gpu.Found, choice gpu.Choice) string {
	for name, err := range gpu.PreloadCUDA(found.Libraries) {
		slog.Warn("CUDA library", "name", name, "err", err)
	}
	// Both llama.cpp and ONNX Runtime number the cards that this leaves.
	if os.Getenv("CUDA_VISIBLE_DEVICES") == "" {
		if err := os.Setenv("CUDA_VISIBLE_DEVICES", choice.Device.UUID); err != nil {
			return err.Error()
		}
	}
	if err := llama.UseModules(moduleFolder(), cudaModule()); err != nil {
		return err.Error()
	}
	for _, dev := range llama.Devices() {
		if dev.Kind == "gpu" {
			return ""
		}
	}
	return "llama.cpp's CUDA backend was loaded and found no device"
}
