package audio

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func stretch(rate int, speed float64, s []float32, piece int) []float32 {
	t := NewStretcher(rate, speed)
	var out []float32
	for c := range slices.Chunk(s, piece) {
		out = t.Write(out, c)
	}
	return t.Finish(out)
}

// A voice-like sound, a tone of 120 Hz with five overtones, keeps its pitch and
// its level whatever the speed, and gets exactly the length asked for.
func TestStretchKeepsThePitch(t *testing.T) {
	const rate, hz = 22050, 120
	in := make([]float32, 2*rate+77)
	for k := 1; k <= 6; k++ {
		for i, x := range tone(rate, len(in), float64(k)*hz, 0.3/float64(k)) {
			in[i] += x
		}
	}
	for _, speed := range []float64{0.25, 0.5, 0.8, 0.99, 1, 1.01, 1.3, 2, 3, 4} {
		out := stretch(rate, speed, in, 1000)
		if want := int(math.Round(float64(len(in)) / speed)); len(out) != want {
			t.Errorf("speed %v: %d samples became %d, want %d", speed, len(in), len(out), want)
		}
		mid := out[len(out)/10 : len(out)*9/10]
		mid = mid[:len(mid)/(rate/hz)*(rate/hz)]
		for k := 1; k <= 3; k++ {
			// Whole pieces shift the phase now and then, so a frame is measured, not all.
			loudest := 0.0
			for c := range slices.Chunk(mid, rate/10) {
				if len(c) == rate/10 {
					loudest = max(loudest, power(c, rate, float64(k)*hz))
				}
			}
			if want := 0.3 / float64(k); math.Abs(loudest/want-1) > 0.15 {
				t.Errorf("speed %v: overtone %d comes out at %.3f, want %.3f", speed, k, loudest, want)
			}
		}
		rms := func(s []float32) float64 {
			sum := 0.0
			for _, x := range s {
				sum += float64(x) * float64(x)
			}
			return math.Sqrt(sum / float64(len(s)))
		}
		if r := rms(mid) / rms(in); math.Abs(r-1) > 0.05 {
			t.Errorf("speed %v: the level is %.3f times that of the input", speed, r)
		}
		if speed == 1 && !slices.Equal(out, in) {
			t.Error("speed 1 changes the samples")
		}
	}
}

// How samples arrive makes no difference, lengths are exact, and nothing gets
// louder than it was.
func TestStretchAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]int{8000, 16000, 22050, 44100}).Draw(t, "rate")
		speed := rapid.Float64Range(0.25, 4).Draw(t, "speed")
		n := rapid.IntRange(0, 3*rate/10).Draw(t, "samples")
		seed := rapid.Uint32().Draw(t, "seed")
		in := make([]float32, n)
		for i := range in {
			seed = seed*1664525 + 1013904223
			in[i] = float32(int32(seed)) / (1 << 31)
		}
		want := stretch(rate, speed, in, max(n, 1))
		if len(want) != int(math.Round(float64(n)/speed)) {
			t.Fatalf("%d samples at speed %v became %d", n, speed, len(want))
		}
		if got := stretch(rate, speed, in, rapid.IntRange(1, 5000).Draw(t, "piece")); !slices.Equal(got, want) {
			t.Fatal("in pieces the samples are others")
		}
		for i, x := range want {
			if !(x >= -1 && x <= 1) {
				t.Fatalf("sample %d is %v", i, x)
			}
		}
	})
}

func BenchmarkStretch(b *testing.B) {
	in := tone(22050, 22050, 120, 0.5)
	for b.Loop() {
		stretch(22050, 1.5, in, 4096)
	}
}
