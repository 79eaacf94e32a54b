package voice

import (
	"context"
	"fmt"
	"time"

	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

// lengthInput scales the durations of graphs that have no input for that.
const lengthInput = "repartee_length"

// whole is a VITS voice run as one graph, for graphs that cannot be cut: sound
// comes when all of it is made, and its own speeds are only about what is asked for.
type whole struct {
	enc    encoder
	info   Info
	layout layout
	p      *part
	timed  bool
	seeded bool
	noise  noise
}

// newWhole changes m: its noise comes from outside, its durations are shown.
func newWhole(m *graph.Model, l layout, enc encoder, info Info, o Options) (*whole, error) {
	w := &whole{enc: enc, info: info, layout: l}
	var ceil []*graph.Node
	for _, n := range m.Nodes {
		if n.Op == "Ceil" {
			ceil = append(ceil, n)
		}
	}
	m.Outputs = m.Outputs[:min(1, len(m.Outputs)):1]
	if w.timed = len(ceil) == 1; w.timed {
		if l == layoutFixed {
			m.Scale(ceil[0], 0, lengthInput)
		}
		m.Expose(ceil[0].Out[0], durationsOut)
	}
	w.info.Timed, w.info.Cores = w.timed, max(o.Threads, 1)
	w.info.Slowest, w.info.Fastest = 1, 1 // the graph rounds each duration up: at speed 2 two thirds of the length are left
	var err error
	if w.seeded, err = m.SeedNoise(noiseInput); err != nil {
		return nil, err
	}
	if w.p, err = newPart(m, o.session(max(o.Threads, 1))); err != nil {
		return nil, err
	}
	return w, nil
}

// Info implements Voice.
func (w *whole) Info() Info { return w.info }

// Close implements Voice.
func (w *whole) Close() { w.p.close() }

// Speak implements Voice.
func (w *whole) Speak(ctx context.Context, u Utterance, gate Gate, emit func([]float32) error) ([]Mark, error) {
	ids, runes := w.enc.encode(u.Units)
	if len(ids) == 0 {
		return nil, nil
	}
	s := w.enc.scales()
	length := s.length
	if u.Speed > 0 {
		length /= u.Speed
	}
	s.length = length
	in := w.layout.feed(ids, s, u.Speaker.ID)
	in[lengthInput] = onnx.Floats([]float32{float32(length)}, 1)
	if w.seeded {
		n := make([]float32, maxKeptNoise)
		w.noise.fill(n, u.Seed)
		in[noiseInput] = onnx.Floats(n, int64(len(n)))
	}
	var out []onnx.Tensor
	err := gate(ctx, func() (err error) {
		out, err = w.p.run(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	samples := out[0].F32
	if len(samples) == 0 {
		return nil, fmt.Errorf("voice: no samples for %d ids", len(ids))
	}
	var marks []Mark
	if w.timed && len(out) > 1 && len(out[1].F32) == len(ids) {
		marks = placed(out[1].F32, runes, time.Duration(len(samples))*time.Second/time.Duration(w.info.SampleRate))
	}
	return marks, emit(samples)
}
