package voice

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

// maxPiperUnits is the most phonemes of one inference: beyond it attention's
// cost grows with the square.
const maxPiperUnits = 250

// A frame lasts 11 … 16 ms: faster than this, short phonemes would have none.
const slowestVITS, fastestVITS = 0.25, 2.0

// maxDuration bounds one phoneme, in frames, whatever the graph says.
const maxDuration = 400

// part is a session of a part of a graph.
type part struct {
	s  *onnx.Session
	in []string
}

func newPart(m *graph.Model, o onnx.Options) (*part, error) {
	p := &part{}
	var out []string
	for _, v := range m.Inputs {
		p.in = append(p.in, v.Name)
	}
	for _, v := range m.Outputs {
		out = append(out, v.Name)
	}
	s, err := onnx.NewSession(m.Bytes(), p.in, out, o)
	if err != nil {
		return nil, err
	}
	p.s = s
	return p, nil
}

// run gives each input by name.
func (p *part) run(ctx context.Context, in map[string]onnx.Tensor) ([]onnx.Tensor, error) {
	ts := make([]onnx.Tensor, len(p.in))
	for i, name := range p.in {
		t, ok := in[name]
		if !ok {
			return nil, fmt.Errorf("voice: no value for input %q", name)
		}
		ts[i] = t
	}
	return p.s.Run(ctx, ts...)
}

func (p *part) close() {
	if p != nil {
		p.s.Close()
	}
}

// vits is a VITS voice run in parts. Every session has one thread: operations of
// a few hundred microseconds do not divide well, windows and clauses do.
type vits struct {
	enc    encoder
	layout layout
	info   Info
	cut    *vitsParts

	text       *part
	flow       *stage
	head, tail *stage // of the vocoder; no head: the vocoder is all tail

	threads int
	hop     int // samples a frame
	long    int // ids from which a stream is begun before all of its text is read
	noise   noise
}

func (v *vits) Info() Info { return v.info }

func (v *vits) Close() {
	v.text.close()
	v.flow.close()
	v.head.close()
	v.tail.close()
}

// newVITS cuts the graph and loads its parts; m stays as it is.
func newVITS(m *graph.Model, l layout, enc encoder, info Info, o Options) (_ *vits, err error) {
	v := &vits{enc: enc, layout: l, info: info, threads: max(o.Threads, 1), long: longText}
	if v.cut, err = cutVITS(m, l.phonemeInputs()); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	// Loading is mostly single-threaded, so the parts load side by side.
	var wg sync.WaitGroup
	errs := make([]error, 4)
	wg.Go(func() { v.text, errs[0] = v.loadText(o) })
	c, mid := int(v.cut.channels), int(v.cut.midChannels)
	wg.Go(func() { v.flow, errs[1] = newStage(v.cut.flow, c, c, v.cut.flowRadius, o) })
	if v.cut.head != nil {
		wg.Go(func() { v.head, errs[2] = newStage(v.cut.head, c, mid, v.cut.headRadius, o) })
	}
	wg.Go(func() { v.tail, errs[3] = newStage(v.cut.tail, mid, 1, v.cut.tailRadius, o) })
	wg.Wait()
	if err = errors.Join(errs...); err != nil {
		return nil, err
	}
	v.info.Lines = v.threads
	v.hop = v.tail.rate
	if v.head != nil {
		v.hop *= v.head.rate
	}
	if l != layoutPiper {
		err = v.checkWhole(m, o)
	}
	return v, err
}

// loadText loads the text part, simplified when that gives the same numbers.
func (v *vits) loadText(o Options) (*part, error) {
	plain, err := newPart(v.cut.text, o.session(1))
	if err != nil || o.CUDA {
		return plain, err
	}
	m, err := v.cut.text.Cut(v.cut.text.Inputs, v.cut.text.Outputs)
	if err != nil {
		return plain, nil //nolint:nilerr // the plain part will do
	}
	m.Simplify(v.layout.lengthsInput())
	simple, err := newPart(m, o.session(1))
	if err == nil {
		err = v.sameText(plain, simple)
	}
	if err != nil {
		o.log().Info("the text part is run as it is", "why", err)
		simple.close()
		return plain, nil
	}
	plain.close()
	return simple, nil
}

// sameText compares two forms of the text part on a short and a longer text.
func (v *vits) sameText(a, b *part) error {
	for _, n := range []int{5, 61} {
		ids, _ := v.enc.encode(v.sample())
		for len(ids) < n {
			ids = append(ids, ids...)
		}
		in := v.layout.feed(ids[:n], v.enc.scales(), 0)
		if v.cut.noiseIn != "" {
			e := make([]float32, int(v.cut.noiseRows)*n)
			v.noise.fill(e, 1)
			in[v.cut.noiseIn] = onnx.Floats(e, 1, v.cut.noiseRows, int64(n))
		}
		x, err := a.run(context.Background(), in)
		if err != nil {
			return err
		}
		y, err := b.run(context.Background(), in)
		if err != nil {
			return err
		}
		for i := range x {
			if d := worst(x[i].F32, y[i].F32); !(d < 1e-4) {
				return fmt.Errorf("voice: the simplified text part differs by %g in its result %d of %d ids", d, i, n)
			}
		}
	}
	return nil
}

// checkWhole compares what the parts make of a text with what the graph as a
// whole makes of it. Piper's own exports are known well enough to leave it out.
func (v *vits) checkWhole(m *graph.Model, o Options) error {
	w := *m
	w.Inputs, w.Outputs = slices.Clone(m.Inputs), slices.Clone(m.Outputs[:1])
	seeded, err := w.SeedNoise(noiseInput)
	if err != nil {
		return err
	}
	p, err := newPart(&w, o.session(v.threads))
	if err != nil {
		return err
	}
	defer p.close()
	u := Utterance{Units: v.sample(), Speed: 1}
	ids, _ := v.enc.encode(u.Units)
	in := v.layout.feed(ids, v.enc.scales(), 0)
	if seeded {
		n := make([]float32, maxKeptNoise)
		v.noise.fill(n, u.Seed)
		in[noiseInput] = onnx.Floats(n, int64(len(n)))
	}
	want, err := p.run(context.Background(), in)
	if err != nil {
		return err
	}
	var got []float32
	if _, err := v.Speak(context.Background(), u, free, func(s []float32) error {
		got = append(got, s...)
		return nil
	}); err != nil {
		return err
	}
	if d := worst(got, want[0].F32); !(d < 1e-4) {
		return fmt.Errorf("voice: the parts differ from the whole by %g", d)
	}
	return nil
}

// sample is some text of what the voice can say.
func (v *vits) sample() string {
	if c, ok := v.enc.(*characters); ok {
		letters := slices.Sorted(maps.Keys(c.ids))
		return string(letters[:min(len(letters), 12)])
	}
	return "həlˈoʊ"
}

// free is the gate of load-time checks.
func free(_ context.Context, f func() error) error { return f() }

func worst(a, b []float32) float64 {
	if len(a) != len(b) {
		return math.Inf(1)
	}
	w := 0.0
	for i := range a {
		w = max(w, math.Abs(float64(a[i]-b[i])))
	}
	return w
}

// window copies steps [from, to) of each channel out of x.
func window(x []float32, steps, from, to int) []float32 {
	channels := len(x) / steps
	out := make([]float32, channels*(to-from))
	for c := range channels {
		copy(out[c*(to-from):(c+1)*(to-from)], x[c*steps+from:c*steps+to])
	}
	return out
}
