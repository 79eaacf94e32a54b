package cmd

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"repartee/gpu"
	"repartee/inference/llama"
)

// deviceFlags say where language models are computed.
type deviceFlags struct {
	Device string `help:"Where models are computed: auto takes a GPU where everything for it is there and says why when not, cpu never touches one, cuda refuses to start without." enum:"auto,cpu,cuda" default:"auto"`
	GPU    string `name:"gpu" help:"UUID of the GPU to use; empty takes the one with most free memory." default:"" placeholder:"UUID"`
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

// chosen is the device of this process: backends are loaded once.
var chosen struct {
	sync.Once
	choice gpu.Choice
	err    error
}

// announce chooses and logs it, where there was something to choose.
func (d deviceFlags) announce() error {
	choice, err := d.choose()
	if err == nil && (llama.Modular || gpu.Driver().Loaded) {
		slog.Info("device", "uses", choice.Why)
	}
	return err
}

// choose decides on a device and loads llama.cpp's backends for it.
func (d deviceFlags) choose() (gpu.Choice, error) {
	chosen.Do(func() {
		telemetry := gpu.NewTelemetry()
		defer telemetry.Close()
		chosen.choice, chosen.err = d.decide(telemetry)
	})
	return chosen.choice, chosen.err
}

func (d deviceFlags) decide(telemetry *gpu.Telemetry) (gpu.Choice, error) {
	_, err := os.Stat(cudaModule())
	found := gpu.Look(telemetry, llama.Modular && err == nil, append(cudaFolders(), filepath.Join(moduleFolder(), "cuda"))...)
	mode := gpu.DeviceMode(d.Device)
	choice, err := found.Choose(mode, d.GPU)
	if err != nil {
		return choice, err
	}
	if !choice.CUDA {
		return choice, llama.UseModules(moduleFolder(), "")
	}
	if why := loadCUDA(found, choice); why != "" {
		if mode == gpu.CUDA {
			return gpu.Choice{}, fmt.Errorf("%w: %s", gpu.ErrNoCUDA, why)
		}
		return gpu.Choice{Why: "the CPU, because " + why}, nil
	}
	return choice, nil
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
