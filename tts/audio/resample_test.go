package audio

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func resample(from, to int, s []float32, piece int) []float32 {
	r := NewResampler(from, to)
	var out []float32
	for c := range slices.Chunk(s, piece) {
		out = r.Write(out, c)
	}
	return r.Finish(out)
}

var ratePairs = [][2]int{{22050, 24000}, {22050, 48000}, {22050, 8000}, {24000, 16000}, {16000, 22050}, {44100, 48000}, {24000, 44100}, {22050, 22050}}

// Distortion and noise of a tone stay 80 dB below it, and its level is kept.
func TestResamplerIsClean(t *testing.T) {
	for _, p := range ratePairs {
		from, to := p[0], p[1]
		for _, hz := range []float64{100, 997, 3000} {
			out := resample(from, to, tone(from, from*2, hz, 0.5), 1000)
			mid := out[to/2 : to/2+to]
			amp := power(mid, to, hz)
			// What is left when the tone is taken out.
			var re, im float64
			for i, x := range mid {
				a := 2 * math.Pi * hz * float64(i) / float64(to)
				re += 2 * float64(x) * math.Cos(a) / float64(len(mid))
				im += 2 * float64(x) * math.Sin(a) / float64(len(mid))
			}
			rest := 0.0
			for i, x := range mid {
				a := 2 * math.Pi * hz * float64(i) / float64(to)
				d := float64(x) - re*math.Cos(a) - im*math.Sin(a)
				rest += d * d
			}
			db := 10 * math.Log10(rest/float64(len(mid))/(amp*amp/2))
			if math.Abs(amp-0.5) > 0.002 || db > -80 {
				t.Errorf("%d to %d Hz: a tone of %v Hz comes out at %.4f (want 0.5) with noise at %.1f dB", from, to, hz, amp, db)
			}
		}
	}
}

// The passband is flat up to 0.85 of the lower half rate, and what lies above
// the new half rate is gone.
func TestResamplerBands(t *testing.T) {
	for _, p := range ratePairs {
		from, to := p[0], p[1]
		edge := 0.85 * float64(min(from, to)) / 2
		if a := power(resample(from, to, tone(from, from*2, edge, 0.5), 4096)[to/2:to/2+to], to, edge); math.Abs(20*math.Log10(a/0.5)) > 0.1 {
			t.Errorf("%d to %d Hz: %.0f Hz comes out at %.2f dB", from, to, edge, 20*math.Log10(a/0.5))
		}
		if to < from {
			hz := float64(to)/2*1.08 + 1
			out := resample(from, to, tone(from, from*2, hz, 0.5), 4096)
			if rms, peak := Loudness(out[to/2:to], to); rms > 0 || peak > 0.5e-3 {
				t.Errorf("%d to %d Hz: %.0f Hz leaks through with a peak of %g", from, to, hz, peak)
			}
		}
	}
}

func TestResamplerDoesNotSeePieces(t *testing.T) {
	in := tone(22050, 30011, 523, 0.7)
	want := resample(22050, 48000, in, len(in))
	if n := int(math.Ceil(float64(len(in)) * 48000 / 22050)); len(want) != n {
		t.Errorf("%d samples became %d, want %d", len(in), len(want), n)
	}
	for _, piece := range []int{1, 100, 7777} {
		if got := resample(22050, 48000, in, piece); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d the samples are others", piece)
		}
	}
}

// The figures of docs/formats.md: "go test ./tts/audio -run Figures -v". THD+N is
// what is left of a 997 Hz tone at half of full scale once the tone is taken out;
// ripple and edge are of the passband; the last is how far down a tone of 1.1
// times the new half rate comes out, where that is the lower one.
func TestResamplerFigures(t *testing.T) {
	db := func(x float64) float64 { return 20 * math.Log10(max(x, 1e-12)) }
	t.Log("from → to Hz       THD+N dB   ripple dB to 0.85    -3 dB at   1.1 × half rate dB")
	for _, p := range ratePairs[:len(ratePairs)-1] {
		from, to := p[0], p[1]
		half := float64(min(from, to)) / 2
		out := func(hz float64) []float32 {
			return resample(from, to, tone(from, from*2, hz, 0.5), 4096)[to/2 : to/2+to]
		}
		level := func(hz float64) float64 { return db(power(out(hz), to, hz) / 0.5) }
		mid := out(997)
		var re, im float64
		for i, x := range mid {
			a := 2 * math.Pi * 997 * float64(i) / float64(to)
			re += 2 * float64(x) * math.Cos(a) / float64(len(mid))
			im += 2 * float64(x) * math.Sin(a) / float64(len(mid))
		}
		rest := 0.0
		for i, x := range mid {
			a := 2 * math.Pi * 997 * float64(i) / float64(to)
			d := float64(x) - re*math.Cos(a) - im*math.Sin(a)
			rest += d * d
		}
		thdn := db(math.Sqrt(rest/float64(len(mid))) / (math.Hypot(re, im) / math.Sqrt2))
		ripple := 0.0
		for k := 1; k <= 17; k++ {
			ripple = max(ripple, math.Abs(level(math.Round(half*0.05*float64(k)))))
		}
		edge := 0.9
		for edge < 1 && level(math.Round(half*edge)) > -3 {
			edge += 0.005
		}
		stop := "-"
		if to < from {
			hz := math.Round(half * 1.1)
			e := 0.0
			o := out(hz)
			for _, x := range o {
				e += float64(x) * float64(x)
			}
			rejected := db(math.Sqrt(e/float64(len(o))) / (0.5 / math.Sqrt2))
			stop = fmt.Sprintf("%.0f", rejected)
			if rejected > -90 {
				t.Errorf("%d to %d Hz: %v Hz comes out %.1f dB down, want at least 90", from, to, hz, -rejected)
			}
		}
		t.Logf("%5d → %5d %14.1f %16.3f %15.3f %16s", from, to, thdn, ripple, edge, stop)
		if thdn > -100 || ripple > 0.02 || edge < 0.93 {
			t.Errorf("%d to %d Hz: THD+N %.1f dB, want -100; ripple %.3f dB, want 0.02; -3 dB at %.3f of half the rate, want 0.93", from, to, thdn, ripple, edge)
		}
	}
}
