package audio

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestLeveller(t *testing.T) {
	const rate, wanted = 16000, 0.12
	f := func(level float64, seconds int, low, high float64) {
		t.Helper()
		l := NewLeveller(rate, wanted)
		l.Write(tone(rate, rate, 300, 0.5)) // a clause before does not matter
		l.Clause()
		s := tone(rate, seconds*rate, 300, level*math.Sqrt2)
		l.Write(s)
		rms, _ := Loudness(s[(seconds-1)*rate:], rate) // of the last second
		if rms < low || rms > high {
			t.Errorf("a level of %v is %.4f after %d s, want %v to %v", level, rms, seconds, low, high)
		}
	}
	f(0.12, 2, 0.119, 0.121)
	f(0.10, 4, 0.117, 0.121)
	f(0.15, 4, 0.119, 0.123)
	f(0.10, 1, 0.100, 0.112) // slowly
	f(0.02, 4, 0.027, 0.029) // by 3 dB at most
	f(0.50, 4, 0.353, 0.355)
	f(0.005, 4, 0, 0.0051) // silence stays
}

// The pieces do not matter, and no sample is more than 3 dB off.
func TestLevellerPieces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		swell := rapid.Float64Range(500, 5000).Draw(t, "swell")
		in := tone(8000, 8000, 200, 1)
		for i := range in {
			in[i] *= float32(math.Abs(math.Sin(float64(i) / swell)))
		}
		whole, pieces := slices.Clone(in), slices.Clone(in)
		NewLeveller(8000, 0.12).Write(whole)
		l := NewLeveller(8000, 0.12)
		for rest := pieces; len(rest) > 0; {
			n := min(rapid.IntRange(1, 900).Draw(t, "piece"), len(rest))
			l.Write(rest[:n])
			rest = rest[n:]
		}
		if !slices.Equal(whole, pieces) {
			t.Fatal("pieces give other samples than the whole")
		}
		for i, x := range whole {
			if a, b := math.Abs(float64(x)), math.Abs(float64(in[i])); a > b*levelMost+1e-6 || a < b/levelMost-1e-6 {
				t.Fatalf("sample %d of %v became %v", i, in[i], x)
			}
		}
	})
}
