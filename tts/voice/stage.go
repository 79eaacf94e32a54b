package voice

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

// stage is a convolutional part of a voice, run window by window: what a step
// of its result depends on lies within radius steps of its input.
type stage struct {
	p       *part
	in, out int // channels
	rate    int // steps of the result for one of the input
	radius  int
	ones    string // an input that is one for every step; "" = none
	form    string // blocked, wide, simple or plain: what the graph was brought to
}

func (s *stage) close() {
	if s != nil {
		s.p.close()
	}
}

// newStage loads the part of m between its first input and its only output in
// the fastest form that the runtime takes and that agrees with the plain one.
func newStage(m *graph.Model, in, out int, radius int, o Options) (*stage, error) {
	first := m.Inputs[0].Name
	s := &stage{in: in, out: out, radius: radius, form: "plain"}
	if len(m.Inputs) > 1 && len(m.Inputs[1].Dims) == 3 {
		s.ones = m.Inputs[1].Name
	}
	var err error
	if s.p, err = newPart(m, o.session(1)); err != nil {
		return nil, err
	}
	want, err := s.learn()
	if err != nil {
		s.close()
		return nil, err
	}
	if o.CUDA {
		return s, s.check(want)
	}
	forms := []struct {
		name   string
		change func(*graph.Model) error
	}{
		{"blocked", func(m *graph.Model) error {
			width, err := blockWidth()
			if err != nil {
				return err
			}
			if s.ones != "" {
				m.DropOnes(s.ones)
			}
			return m.Block(first, int64(in), width)
		}},
		{"wide", func(m *graph.Model) error { return m.Widen(first) }},
	}
	if s.ones != "" {
		forms = append(forms, struct {
			name   string
			change func(*graph.Model) error
		}{"simple", func(m *graph.Model) error { m.DropOnes(s.ones); return nil }})
	}
	for _, f := range forms {
		c, err := m.Cut(m.Inputs, m.Outputs)
		if err != nil {
			continue
		}
		if err := f.change(c); err != nil {
			continue
		}
		p, err := newPart(c, o.session(1))
		if err != nil {
			continue
		}
		fast := *s
		fast.p, fast.form = p, f.name
		if len(c.Inputs) < len(m.Inputs) {
			fast.ones = ""
		}
		if err := fast.check(want); err != nil {
			p.close()
			continue
		}
		s.close()
		return &fast, nil
	}
	return s, s.check(want)
}

// checked is how many steps a stage is tried with at load, beside its radius.
const checked = 48

// learn runs the stage as a whole and finds its rate.
func (s *stage) learn() ([]float32, error) {
	x := s.sample()
	n := len(x) / s.in
	y, err := s.infer(context.Background(), x, n, 0)
	if err != nil {
		return nil, err
	}
	if len(y) == 0 || len(y)%(s.out*n) != 0 {
		return nil, fmt.Errorf("voice: %d numbers of %d channels for %d steps", len(y), s.out, n)
	}
	s.rate = len(y) / (s.out * n)
	return y, nil
}

func (s *stage) sample() []float32 {
	var noise noise
	x := make([]float32, s.in*(3*checked+2*s.radius))
	noise.fill(x, 1)
	return x
}

// check compares the stage, whole and in a window, with the whole result want of
// its sample, and widens what a window reads if need be.
func (s *stage) check(want []float32) error {
	ctx, x := context.Background(), s.sample()
	n := len(x) / s.in
	whole, err := s.run(ctx, x, n, 0, n, 0)
	if err != nil {
		return err
	}
	if d := worst(whole, want); !(d < 1e-4) {
		return fmt.Errorf("voice: the %s form differs by %g", s.form, d)
	}
	from, to := n/2-checked/2, n/2+checked/2
	middle := window(want, n*s.rate, from*s.rate, to*s.rate)
	for range 4 {
		y, err := s.run(ctx, x, n, from, to, 0)
		if err != nil {
			return err
		}
		if worst(y, middle) < 1e-4 {
			return nil
		}
		s.radius += 8
	}
	return errors.New("voice: windows differ from the whole")
}

// infer runs the graph over n steps.
func (s *stage) infer(ctx context.Context, x []float32, n, speaker int) ([]float32, error) {
	in := map[string]onnx.Tensor{
		s.p.in[0]: onnx.Floats(x, 1, int64(s.in), int64(n)),
		"sid":     onnx.Ints([]int64{int64(speaker)}, 1),
	}
	if s.ones != "" {
		m := make([]float32, n)
		for i := range m {
			m[i] = 1
		}
		in[s.ones] = onnx.Floats(m, 1, 1, int64(n))
	}
	out, err := s.p.run(ctx, in)
	if err != nil {
		return nil, err
	}
	return out[0].F32, nil
}

// run gives the result for steps [from, to) of x, which has n steps.
func (s *stage) run(ctx context.Context, x []float32, n, from, to, speaker int) ([]float32, error) {
	a, b := max(from-s.radius, 0), min(to+s.radius, n)
	y, err := s.infer(ctx, window(x, n, a, b), b-a, speaker)
	if err != nil {
		return nil, err
	}
	if len(y) != s.out*s.rate*(b-a) {
		return nil, fmt.Errorf("voice: %d numbers for %d steps, want %d", len(y), b-a, s.out*s.rate*(b-a))
	}
	if a == from && b == to {
		return y, nil
	}
	if s.out == 1 {
		return y[(from-a)*s.rate : (to-a)*s.rate], nil
	}
	return window(y, (b-a)*s.rate, (from-a)*s.rate, (to-a)*s.rate), nil
}

// blockWidth is the width of the runtime's blocked layout on this processor; an
// error when it has none.
var blockWidth = sync.OnceValues(func() (int64, error) {
	p, err := newPart(graph.BlockProbe(), onnx.Options{Threads: 1})
	if err != nil {
		return 0, err
	}
	defer p.close()
	const channels, steps = 64, 2
	x := make([]float32, channels*steps)
	for i := range x {
		x[i] = float32(i % steps) // the step's number in every channel
	}
	y, err := p.run(context.Background(), map[string]onnx.Tensor{"x": onnx.Floats(x, 1, channels, 1, steps)})
	if err != nil {
		return 0, err
	}
	width := int64(0)
	for width < channels && y[0].F32[width] == 0 {
		width++
	}
	if width < 4 || channels%width != 0 {
		return 0, fmt.Errorf("voice: blocks of %d channels", width)
	}
	return width, nil
})
