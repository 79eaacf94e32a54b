package tts

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"repartee/tts/audio"
	"repartee/tts/voice"
)

// strength is the amplitude of a frequency in s.
func strength(s []float32, rate int, hz float64) float64 {
	var re, im float64
	for i, x := range s {
		w := 2 * math.Pi * hz * float64(i) / float64(rate)
		re += float64(x) * math.Cos(w)
		im += float64(x) * math.Sin(w)
	}
	return 2 * math.Hypot(re, im) / float64(len(s))
}

// A pitch changes what is heard and leaves how long it takes, whatever the voice
// can do by itself.
func TestShape(t *testing.T) {
	const rate, hz = 16000, 200.0
	rapid.Check(t, func(t *rapid.T) {
		pitch := rapid.Float64Range(0.5, 2).Draw(t, "pitch")
		speed := rapid.Float64Range(0.25, 4).Draw(t, "speed")
		info := rapid.SampledFrom([]voice.Info{{}, {Slowest: 1, Fastest: 1}, {Slowest: 0.25, Fastest: 2}}).Draw(t, "voice")
		u := voice.Utterance{Speed: speed}
		s := newShape(info, rate, &u, pitch)
		in := make([]float32, int(3*rate/u.Speed)) // three seconds of speech at speed 1
		for i := range in {
			in[i] = float32(0.5 * math.Sin(2*math.Pi*hz*float64(i)/rate))
		}
		marks := []voice.Mark{{Start: 0, End: time.Duration(len(in)) * time.Second / rate}}
		var out []float32
		if !s.any() {
			out = in
		} else {
			for c := range slices.Chunk(in, 1000) {
				out = append(out, s.write(slices.Clone(c))...)
			}
			out = append(out, s.finish()...)
		}
		s.place(marks)
		want := 3 * rate / speed
		if math.Abs(float64(len(out))-want) > 4 {
			t.Fatalf("%d samples, want %v", len(out), want)
		}
		if d := marks[0].End.Seconds() - want/rate; math.Abs(d) > 0.001 {
			t.Fatalf("marks end at %v, want %v s", marks[0].End, want/rate)
		}
		heard := math.Round(pitch*pitchSteps) / pitchSteps * hz
		middle := out[len(out)/4 : len(out)*3/4]
		if got := strength(middle, rate, heard); got < 0.3 && speed <= 2 {
			t.Fatalf("of the tone at %.0f Hz an amplitude of %.2f is left", heard, got)
		}
	})
}

func TestSayProsody(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	f := func(attributes string) (rms float64, length time.Duration) {
		t.Helper()
		pcm, p := say(t, s, Request{Text: "<speak><prosody " + attributes + ">abcdefghij klmnopqrst</prosody></speak>", SSML: true, Format: FormatPCM})
		var x []float32
		for i := 0; i+1 < len(pcm); i += 2 {
			x = append(x, float32(int16(binary.LittleEndian.Uint16(pcm[i:])))/32768)
		}
		rms, _ = audio.Loudness(x, fakeRate)
		return rms, p.Timings().Audio
	}
	plain, length := f("rate='100%'")
	for _, c := range []struct {
		attributes string
		by         float64
	}{{"volume='soft'", 0.501}, {"volume='+3dB'", 1.413}, {"volume='50%'", 0.5}, {"volume='silent'", 0}, {"pitch='high'", 1}, {"pitch='-4st'", 1}} {
		got, took := f(c.attributes)
		if r := got / plain; math.Abs(r-c.by) > 0.12*max(c.by, 0.1) {
			t.Errorf("%s: %.3f as loud, want %.3f", c.attributes, r, c.by)
		}
		if (took - length).Abs() > 15*time.Millisecond {
			t.Errorf("%s takes %v, want %v", c.attributes, took, length)
		}
	}
}

// A real voice asked for a higher pitch has one.
func TestRealPitch(t *testing.T) {
	s := realService(t, 0)
	f := func(pitch string) float64 {
		t.Helper()
		pcm, p := say(t, s, Request{Text: "<speak><prosody pitch='" + pitch + "'>" + mediumText + "</prosody></speak>", SSML: true, Format: FormatPCM, Whole: true})
		return fundamental(pcm, p.Info().SampleRate)
	}
	plain := f("medium")
	for pitch, want := range map[string]float64{"+20%": 1.2, "-20%": 0.8} {
		if r := f(pitch) / plain; math.Abs(r-want) > 0.06 {
			t.Errorf("at pitch %s the voice is %.2f as high as its %.0f Hz, want %.2f", pitch, r, plain, want)
		}
	}
}

// fundamental is the median fundamental frequency of the voiced parts of 16-bit
// samples, by autocorrelation.
func fundamental(pcm []byte, rate int) float64 {
	var x []float64
	for i := 0; i+1 < len(pcm); i += 2 {
		x = append(x, float64(int16(binary.LittleEndian.Uint16(pcm[i:])))/32768)
	}
	var all []float64
	for w := range slices.Chunk(x, rate/20) {
		if len(w) < rate/20 {
			break
		}
		energy := 0.0
		for _, v := range w {
			energy += v * v
		}
		best, at := 0.0, 0
		for lag := rate / 300; lag < rate/60; lag++ {
			sum, a, b := 0.0, 1e-9, 1e-9
			for i := range len(w) - lag {
				sum += w[i] * w[i+lag]
				a += w[i] * w[i]
				b += w[i+lag] * w[i+lag]
			}
			if like := sum / math.Sqrt(a*b); like > best {
				best, at = like, lag
			}
		}
		if energy/float64(len(w)) > 1e-3 && best > 0.8 {
			all = append(all, float64(rate)/float64(at))
		}
	}
	slices.Sort(all)
	return all[len(all)/2]
}
