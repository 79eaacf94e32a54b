package tts

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"repartee/tts/voice"
)

// placedVoice is a fake that knows where it is.
type placedVoice struct {
	fakeVoice
	device string
	closed bool
}

func (v *placedVoice) Info() voice.Info {
	i := v.fakeVoice.Info()
	i.Device = v.device
	return i
}

func (v *placedVoice) Close() { v.closed = true }

func TestPlacement(t *testing.T) {
	missing := errors.New("libcublasLt.so.13 is not there")
	ready := CUDA{Prepare: func() error { return nil }}
	// gpu is how many seconds it takes for what the CPU does in two; 0 = it cannot
	// be loaded, less = its sound is wrong.
	f := func(name, device string, cuda CUDA, gpu time.Duration, want, why string) {
		t.Helper()
		onCPU, onGPU := &placedVoice{device: "cpu"}, &placedVoice{device: "cuda"}
		p, err := newPlacement(device, cuda)
		var v voice.Voice
		said := ""
		if err == nil {
			p.load = func(_ string, o voice.Options) (voice.Voice, error) {
				switch {
				case !o.CUDA:
					return onCPU, nil
				case gpu == 0:
					return nil, errors.New("out of memory")
				}
				return onGPU, nil
			}
			p.compare = func(context.Context, voice.Voice, voice.Voice) (voice.Probe, error) {
				if gpu < 0 {
					return voice.Probe{}, errors.New("its loudness differs")
				}
				return voice.Probe{Units: []int{9}, CPU: []time.Duration{2 * time.Second}, CUDA: []time.Duration{gpu}}, nil
			}
			v, said, err = p.place(context.Background(), "x", voice.Options{Logger: slog.New(slog.DiscardHandler)})
		}
		if err != nil {
			said = err.Error()
		}
		got := "error"
		if v != nil {
			got = v.Info().Device
		}
		if got != want || !strings.Contains(said, why) {
			t.Errorf("%s: on %s, because %q (%v); want %s, %q", name, got, said, err, want, why)
		}
		if loaded := p != nil && p.why == nil && gpu != 0; loaded && onGPU.closed == (got == "cuda") {
			t.Errorf("%s: the voice on the GPU was closed = %v, though the %s is used", name, onGPU.closed, got)
		}
	}
	const fast, slow, wrong = time.Second, 3 * time.Second, -time.Second
	lacking := CUDA{Prepare: func() error { return missing }}
	f("cpu asked for", "cpu", ready, 0, "cpu", "--tts-device")
	f("nothing there", "auto", lacking, 0, "cpu", "libcublasLt.so.13")
	f("nothing there, but asked for", "cuda", lacking, 0, "error", "libcublasLt.so.13")
	f("not known how", "", CUDA{}, 0, "cpu", "without CUDA")
	f("a faster GPU", "auto", ready, fast, "cuda", "units: CPU")
	f("a slower GPU", "auto", ready, slow, "cpu", "units: CPU")
	f("a slower GPU, asked for", "cuda", ready, slow, "cuda", "units: CPU")
	f("a GPU that is wrong", "auto", ready, wrong, "cpu", "loudness")
	f("a GPU that is wrong, asked for", "cuda", ready, wrong, "error", "loudness")
	f("a GPU without memory", "auto", ready, 0, "cpu", "out of memory")
	f("no such device", "tpu", ready, 0, "error", "want auto, cpu or cuda")
	guarded := 0
	f("guarded", "auto", CUDA{Prepare: ready.Prepare, Guard: func(g func()) { guarded++; g() }}, fast, "cuda", "")
	if guarded != 1 {
		t.Errorf("the guard ran %d times, want once", guarded)
	}
}
