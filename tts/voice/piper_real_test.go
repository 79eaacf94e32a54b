package voice

import (
	"context"
	"math"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"repartee/tts/internal/voicetest"
	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

// hello is "Hello from one process." as espeak-ng gives it, and a longer text.
const (
	hello = "həlˈoʊ fɹʌm wˈʌn pɹˈɑːsɛs."
	quick = "ðə kwˈɪk bɹˈaʊn fˈɑːks dʒˈʌmps ˌoʊvɚ ðə lˈeɪzi dˈɑːɡ, ænd ðɛn ˈoʊvɚ ɐ hˈaɪ stˈoʊn wˈɔːl wɪð ɐ ɹˈɛd ɡˈeɪt."
)

func loadReal(t testing.TB, threads int) Voice {
	t.Helper()
	path := voicetest.Voice(t)
	if err := onnx.Open(voicetest.Runtime(t)); err != nil {
		t.Fatalf("opening ONNX Runtime: %v", err)
	}
	v, err := Load(path, Options{Threads: threads})
	if err != nil {
		t.Fatalf("Load(%q): %v", path, err)
	}
	t.Cleanup(v.Close)
	return v
}

func speak(t testing.TB, v Voice, u Utterance) []float32 {
	t.Helper()
	var all []float32
	_, err := v.Speak(context.Background(), u, free, func(s []float32) error {
		all = append(all, s...)
		return nil
	})
	if err != nil {
		t.Fatalf("Speak(%+v): %v", u, err)
	}
	return all
}

// The parts together must be what the graph as a whole is, without noise.
func TestPiperPartsEqualWhole(t *testing.T) {
	v := loadReal(t, 2).(*vits)
	zero := 0.0
	cfg := v.enc.(*piperConfig)
	cfg.Inference.Noise, cfg.Inference.NoiseW = &zero, &zero
	b, err := os.ReadFile(voicetest.Voice(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := graph.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := newPart(m, onnx.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer whole.close()
	for _, units := range []string{hello, quick} {
		ids, _ := v.enc.encode(units)
		out, err := whole.run(context.Background(), map[string]onnx.Tensor{
			"input":         onnx.Ints(ids, 1, int64(len(ids))),
			"input_lengths": onnx.Ints([]int64{int64(len(ids))}, 1),
			"scales":        onnx.Floats([]float32{0, 1, 0}, 3),
		})
		if err != nil {
			t.Fatalf("whole graph: %v", err)
		}
		v.long = math.MaxInt // read once
		for _, stream := range []bool{false, true} {
			got := speak(t, v, Utterance{Units: units, Speed: 1, Stream: stream})
			if d := worst(got, out[0].F32); !(d < 1e-4) {
				t.Errorf("Speak(%q, stream %v) differs from the whole graph by %g (%d samples, want %d)", units, stream, d, len(got), len(out[0].F32))
			}
		}
	}
}

// The same utterance gives the same samples, alone and beside others.
func TestPiperIsRepeatable(t *testing.T) {
	v := loadReal(t, 2)
	u := Utterance{Units: quick, Speed: 1, Seed: 7}
	want := speak(t, v, u)
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			if i == 1 {
				speak(t, v, Utterance{Units: hello, Speed: 1, Seed: 3})
			}
			if got := speak(t, v, u); !slices.Equal(got, want) {
				t.Errorf("Speak(%+v) beside others differs from alone by %g", u, worst(got, want))
			}
		})
	}
	wg.Wait()
	other := u
	other.Seed = 8
	if slices.Equal(speak(t, v, other), want) {
		t.Error("another seed gave the same samples")
	}
}

func TestPiperSpeedIsExact(t *testing.T) {
	v := loadReal(t, 2)
	base := len(speak(t, v, Utterance{Units: quick, Speed: 1}))
	for _, speed := range []float64{0.25, 0.5, 2, 4} {
		got := len(speak(t, v, Utterance{Units: quick, Speed: speed}))
		if r := float64(base) / float64(got) / speed; r < 0.99 || r > 1.01 {
			t.Errorf("speed %v: %d samples of %d, want the %vth part", speed, got, base, speed)
		}
	}
}

func TestPiperCancel(t *testing.T) {
	v := loadReal(t, 2)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := v.Speak(ctx, Utterance{Units: quick, Speed: 1, Stream: true}, free, func([]float32) error {
		cancel()
		return nil
	})
	if err == nil {
		t.Error("Speak went on after its context was cancelled")
	}
}

func BenchmarkPiper(b *testing.B) {
	for _, c := range []struct {
		name, units string
		stream      bool
	}{{"short", hello, false}, {"short-stream", hello, true}, {"medium", quick, false}, {"medium-stream", quick, true}} {
		b.Run(c.name, func(b *testing.B) {
			v := loadReal(b, 2)
			var first time.Duration
			for b.Loop() {
				t0 := time.Now()
				got := false
				_, err := v.Speak(context.Background(), Utterance{Units: c.units, Speed: 1, Stream: c.stream}, free, func([]float32) error {
					if !got {
						got = true
						first += time.Since(t0)
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(first.Milliseconds())/float64(b.N), "ms-first")
		})
	}
}
