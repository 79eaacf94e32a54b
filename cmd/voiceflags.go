package cmd

import (
	"fmt"
	"log/slog"
	"os"

	"repartee/catalog"
	"repartee/cpuset"
	"repartee/gpu"
	"repartee/inference"
	"repartee/supply"
	"repartee/tts"
)

// voiceFlags are the flags that say which voices to load and how.
type voiceFlags struct {
	Voice        []named    `help:"Voice to keep resident as NAME=PATH; PATH is an ONNX file or a catalogue name. Repeatable, the first is the default; none switches speech off. Default: the voice that make fetched." placeholder:"NAME=PATH"`
	TTSDevice    string     `name:"tts-device" help:"Where speech is computed: auto, cpu or cuda." enum:"auto,cpu,cuda" default:"auto"`
	TTSCache     size       `name:"tts-cache" help:"Memory for finished speech; 0 = off. Too little makes repeated texts be spoken anew." default:"64MiB" placeholder:"SIZE"`
	TTSCacheDir  string     `name:"tts-cache-dir" help:"Folder for finished speech that outlives the process; empty = none. It holds what was spoken, readable by its owner only." default:"" placeholder:"DIR"`
	TTSCacheDisk size       `name:"tts-cache-disk" help:"Most bytes in --tts-cache-dir; what was used longest ago goes first." default:"1GiB" placeholder:"SIZE"`
	maxText      int        // of one request in bytes; 0 = what a server allows
	TTSThreads   int        `name:"tts-threads" help:"CPU threads of one speech inference; 0 = physical cores, at most 4." default:"0" placeholder:"N"`
	TTSCPUs      cpuset.Set `name:"tts-cpus" help:"CPUs that speech is computed on, such as 8-11. With --cpus on other cores neither leaves the other one. Empty = wherever the system puts it." default:"" placeholder:"LIST"`
	apart        bool       // --cpus and --tts-cpus share no core
}

// build tells this program from others of the same version: a rebuilt one may
// speak otherwise.
func build() string {
	exe, err := os.Executable()
	if err == nil {
		var st os.FileInfo
		if st, err = os.Stat(exe); err == nil {
			return fmt.Sprintf("%s %d %d", Version, st.Size(), st.ModTime().UnixNano())
		}
	}
	return Version
}

// named are the voices to load, the default one where none is given.
func (v *voiceFlags) named() []named {
	if len(v.Voice) == 0 {
		def := catalog.Default(catalog.Voice)
		return []named{{def.Name, def.Name}}
	}
	return v.Voice
}

// loadVoices makes the voices resident; nil when speech is switched off. busy may be
// nil, and so may shared, the card that voices share with the language models.
func (v *voiceFlags) loadVoices(busy func(bool), shared tts.Card) (*tts.Service, error) {
	voices := v.named()
	if isNone(voices) {
		return nil, nil
	}
	if err := checkCPUs("--tts-cpus", v.TTSCPUs); err != nil {
		return nil, err
	}
	crowded := inference.Computing
	if v.apart {
		busy, crowded = nil, nil
	}
	cfg := tts.Config{CacheDir: v.TTSCacheDir, CacheDisk: int64(v.TTSCacheDisk), Build: build(), MaxText: v.maxText, CacheBytes: int64(v.TTSCache), Threads: v.TTSThreads, Device: v.TTSDevice, Busy: busy, Crowded: crowded, CPUs: v.TTSCPUs, Card: shared, Logger: slog.Default()}
	for _, spec := range voices {
		path, err := catalog.Resolve(spec.Path, supply.Dir())
		if err != nil {
			return nil, fmt.Errorf("voice %s: %w", spec.Name, err)
		}
		entry, _ := catalog.ByFile(path) // a file of one's own says its licence itself, or not
		cfg.Voices = append(cfg.Voices, tts.VoiceSpec{Name: spec.Name, Path: path, Licence: entry.Licence})
	}
	for _, part := range []struct {
		part supply.Part
		path *string
	}{
		{supply.ONNXRuntime, &cfg.Runtime}, {supply.Phonemizer, &cfg.Phonemizer},
		{supply.EspeakLibrary, &cfg.EspeakLibrary}, {supply.EspeakData, &cfg.EspeakData},
	} {
		path, err := supply.Find(part.part)
		if err != nil {
			return nil, err
		}
		*part.path = path
	}
	if v.TTSDevice != tts.DeviceCPU {
		driver := speechDriver()
		if path, err := supply.Find(supply.ONNXRuntimeGPU); err == nil && driver.Loaded {
			cfg.Runtime = path
		}
		runtime := cfg.Runtime
		cfg.CUDA = tts.CUDA{
			Prepare: func() error { return gpu.SpeechCUDA(driver, runtime, cudaFolders()...) },
			Guard:   func(f func()) { gpu.KeepSignals(f) },
		}
	}
	service, err := tts.New(cfg)
	if err != nil {
		return nil, err
	}
	return service, nil
}

// speechDriver says whether there is a driver for speech, by what the kernel shows
// or the management library lists; none when the GPU was lost.
func speechDriver() gpu.DriverInfo {
	if why := os.Getenv(lostGPU); why != "" {
		return gpu.DriverInfo{Detail: "the GPU was lost: " + why}
	}
	telemetry := gpu.NewTelemetry()
	defer telemetry.Close()
	return gpu.DriverOf(telemetry)
}
