package voice

import (
	"context"
	"math/rand/v2"
	"testing"

	"repartee/tts/internal/voicetest"
	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

// A convolution of bytes, the product of matrices that takes its place and the
// float convolution give the same numbers; the last within what quantising its
// input costs.
func TestIntegerConvolutions(t *testing.T) {
	if err := onnx.Open(voicetest.Runtime(t)); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	f := func(c voicetest.Conv, rewritten bool) {
		t.Helper()
		x := make([]float32, c.In*50)
		for i := range x {
			x[i] = float32(rnd.NormFloat64())
		}
		run := func(change func(*graph.Model) int) []float32 {
			t.Helper()
			m := voicetest.IntegerConv(c)
			if n := change(m); n >= 0 && (n == 1) != rewritten {
				t.Fatalf("%+v: %d convolutions rewritten", c, n)
			}
			p, err := newPart(m, onnx.Options{Threads: 1})
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			defer p.close()
			out, err := p.run(context.Background(), map[string]onnx.Tensor{"x": onnx.Floats(x, 1, c.In, 50)})
			if err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
			return out[0].F32
		}
		whole := run(func(*graph.Model) int { return -1 })
		if len(whole) == 0 {
			t.Fatalf("%+v: no result", c)
		}
		// The quantiser rounds the bias down to steps of a scale, some 1e-4 here.
		if d := worst(whole, run((*graph.Model).GemmConvs)); !(d < 1e-3) {
			t.Errorf("%+v: as a product it differs by %g", c, d)
		}
		if c.Stride == 1 {
			if d := worst(whole, run((*graph.Model).FloatConvs)); !(d < 0.5) || d == 0 {
				t.Errorf("%+v: in float it differs by %g", c, d)
			}
		}
	}
	f(voicetest.Conv{In: 5, Out: 7, Taps: 1, Dilation: 1, Stride: 1}, true)
	f(voicetest.Conv{In: 4, Out: 3, Taps: 3, Dilation: 1, Stride: 1, Pad: [2]int64{1, 1}, Bias: true}, true)
	f(voicetest.Conv{In: 8, Out: 8, Taps: 7, Dilation: 3, Stride: 1, Pad: [2]int64{9, 9}, Bias: true}, true)
	f(voicetest.Conv{In: 3, Out: 2, Taps: 5, Dilation: 2, Stride: 1, Pad: [2]int64{0, 4}}, true)
	f(voicetest.Conv{In: 4, Out: 4, Taps: 4, Dilation: 1, Stride: 2, Pad: [2]int64{1, 1}, Bias: true}, false)
}
