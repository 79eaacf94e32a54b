package tts

import (
	"context"
	"fmt"

	"repartee/tts/voice"
)

// Places that voices can be computed on.
const (
	DeviceAuto = "auto"
	DeviceCPU  = "cpu"
	DeviceCUDA = "cuda"
)

// CUDA is how a Service gets at a GPU; the caller knows the machine.
type CUDA struct {
	// Prepare makes the runtime's CUDA provider ready, or says what is missing.
	Prepare func() error
	// Guard runs what may replace signal handlers and puts them back.
	Guard func(func())
}

// placement decides where each voice is computed.
type placement struct {
	device string
	cuda   CUDA
	why    error // CUDA cannot be used

	load    func(path string, o voice.Options) (voice.Voice, error)
	compare func(ctx context.Context, cpu, cuda voice.Voice) (voice.Probe, error)
}

// newPlacement asks for the GPU unless the device is cpu. With cuda, not having
// one is an error; with auto, why says it.
func newPlacement(device string, cuda CUDA) (*placement, error) {
	p := &placement{device: device, cuda: cuda, load: voice.Load, compare: voice.Compare}
	switch device {
	case "":
		p.device = DeviceAuto
	case DeviceAuto, DeviceCPU, DeviceCUDA:
	default:
		return nil, fmt.Errorf("tts: device %q: want auto, cpu or cuda", device)
	}
	switch {
	case p.device == DeviceCPU:
		p.why = fmt.Errorf("--tts-device is cpu")
	case cuda.Prepare == nil:
		p.why = fmt.Errorf("built without CUDA")
	default:
		p.why = cuda.Prepare()
	}
	if p.device == DeviceCUDA && p.why != nil {
		return nil, fmt.Errorf("tts: device cuda: %w", p.why)
	}
	return p, nil
}

// place loads a voice where it does best and says why it is there.
func (p *placement) place(ctx context.Context, path string, o voice.Options) (voice.Voice, string, error) {
	cpu, err := p.load(path, o)
	if err != nil || p.why != nil {
		why := ""
		if p.why != nil {
			why = p.why.Error()
		}
		return cpu, why, err
	}
	var cuda voice.Voice
	var probe voice.Probe
	guard := p.cuda.Guard
	if guard == nil {
		guard = func(f func()) { f() }
	}
	guard(func() {
		o.CUDA = true
		if cuda, err = p.load(path, o); err == nil {
			probe, err = p.compare(ctx, cpu, cuda)
		}
	})
	drop := func(v voice.Voice) {
		if v != nil {
			v.Close()
		}
	}
	switch {
	case err != nil && p.device == DeviceCUDA:
		drop(cpu)
		drop(cuda)
		return nil, "", fmt.Errorf("device cuda: %w", err)
	case err != nil:
		drop(cuda)
		o.Logger.Warn("CUDA cannot be used for speech, the CPU is", "why", err)
		return cpu, err.Error(), nil
	case p.device == DeviceCUDA || probe.Faster():
		drop(cpu)
		return cuda, probe.String(), nil
	}
	drop(cuda)
	return cpu, probe.String(), nil
}
