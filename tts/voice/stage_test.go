package voice

import (
	"context"
	"testing"

	"repartee/tts/internal/voicetest"
	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

// A chain of convolutions gives the same numbers in each form, whatever its
// channels have to do with the width of blocks.
func TestFormsAgree(t *testing.T) {
	if err := onnx.Open(voicetest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	const steps = 50
	ones := make([]float32, steps)
	for i := range ones {
		ones[i] = 1
	}
	f := func(in, wide int64) {
		t.Helper()
		x := make([]float32, in*steps)
		var n noise
		n.fill(x, 1)
		run := func(form string, change func(m *graph.Model) error) []float32 {
			t.Helper()
			m := voicetest.Vocoder(in, wide)
			if err := change(m); err != nil {
				t.Fatalf("%d, %d channels, %s: %v", in, wide, form, err)
			}
			p, err := newPart(m, onnx.Options{Threads: 1})
			if err != nil {
				t.Fatalf("%d, %d channels, %s: %v", in, wide, form, err)
			}
			defer p.close()
			out, err := p.run(context.Background(), map[string]onnx.Tensor{"x": onnx.Floats(x, 1, in, steps), "mask": onnx.Floats(ones, 1, 1, steps)})
			if err != nil {
				t.Fatalf("%d, %d channels, %s: %v", in, wide, form, err)
			}
			return out[0].F32
		}
		want := run("plain", func(*graph.Model) error { return nil })
		if len(want) != 16*steps {
			t.Fatalf("%d, %d channels: %d samples, want %d", in, wide, len(want), 16*steps)
		}
		if d := worst(want, run("wide", func(m *graph.Model) error { return m.Widen("x") })); !(d < 1e-4) {
			t.Errorf("%d, %d channels: the wide form differs by %g", in, wide, d)
		}
		for _, width := range []int64{8, 16} {
			if have, err := blockWidth(); err != nil || have != width {
				continue
			}
			if d := worst(want, run("blocked", func(m *graph.Model) error { return m.Block("x", in, width) })); !(d < 1e-4) {
				t.Errorf("%d, %d channels: the blocked form differs by %g", in, wide, d)
			}
		}
	}
	f(32, 64) // every layer fills its blocks
	f(6, 32)  // the first does not
	f(16, 16) // the last does not
	f(6, 12)  // none does
}

// A stage that is brought to another form says which, and gives the same numbers
// in windows.
func TestStageWindows(t *testing.T) {
	if err := onnx.Open(voicetest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	whole := voicetest.Vocoder(32, 64)
	m, err := whole.Cut([]graph.Value{{Name: "x", Type: graph.Float32, Dims: []int64{1, 32, -1}}, {Name: "mask", Type: graph.Float32, Dims: []int64{1, 1, -1}}}, whole.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newStage(m, 32, 1, 1, Options{}) // a radius too small, which it finds out
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if s.rate != 16 || s.radius < 4 {
		t.Errorf("stage with rate %d, radius %d, want 16 and at least 4", s.rate, s.radius)
	}
	if _, err := blockWidth(); err == nil && s.form != "blocked" {
		t.Errorf("the %s form is used, though the runtime has blocks", s.form)
	}
	const steps = 64
	x := make([]float32, 32*steps)
	var n noise
	n.fill(x, 2)
	want, err := s.run(context.Background(), x, steps, 0, steps, 0)
	if err != nil {
		t.Fatal(err)
	}
	var got []float32
	c := newChain(x, steps, 0, []*stage{s}, []span{{0, []int{5, 6, 30, steps}}})
	if err := c.speak(context.Background(), 3, free, func(y []float32) error { got = append(got, y...); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := worst(got, want); !(d < 1e-4) {
		t.Errorf("windows differ from the whole by %g (%d samples, want %d)", d, len(got), len(want))
	}
}

// A text encoder gives the same numbers when it is simplified, for any length,
// and has lost what it is to lose.
func TestSimplifiedTextAgrees(t *testing.T) {
	if err := onnx.Open(voicetest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	const width, window = 12, 4
	plain, simple := voicetest.Attention(width, window), voicetest.Attention(width, window)
	simple.Simplify("lengths")
	count := func(m *graph.Model) map[string]int {
		ops := map[string]int{}
		for _, n := range m.Nodes {
			ops[n.Op]++
		}
		return ops
	}
	for op, want := range map[string]int{"Less": 0, "Where": 0, "Pow": 0, "LayerNormalization": 1, "Pad": 3} {
		if got := count(simple)[op]; got != want {
			t.Errorf("%d operations %s are left of %d, want %d", got, op, count(plain)[op], want)
		}
	}
	load := func(m *graph.Model) *part {
		p, err := newPart(m, onnx.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.close)
		return p
	}
	a, b := load(plain), load(simple)
	for _, n := range []int{5, 6, 8, 9, 10, 33, 200} {
		ids := make([]int64, n)
		for i := range ids {
			ids[i] = int64(i*i) % voicetest.Symbols
		}
		run := func(p *part) []float32 {
			out, err := p.run(context.Background(), map[string]onnx.Tensor{"ids": onnx.Ints(ids, 1, int64(n)), "lengths": onnx.Ints([]int64{int64(n)}, 1)})
			if err != nil {
				t.Fatalf("%d ids: %v", n, err)
			}
			return out[0].F32
		}
		if d := worst(run(a), run(b)); !(d < 1e-4) {
			t.Errorf("%d ids: the simplified encoder differs by %g", n, d)
		}
	}
}
