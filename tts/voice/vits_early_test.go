package voice

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"repartee/tts/internal/voicetest"
)

// joined is what an early stream must sound like: one latent of both readings, in
// one go.
func joined(t *testing.T, v *vits, u Utterance) (samples []float32, opening time.Duration) {
	t.Helper()
	ctx := context.Background()
	ids, runes := v.enc.encode(u.Units)
	keep, read := v.opening(ids, runes)
	if keep == 0 {
		t.Fatalf("a text of %d ids is not begun early", len(ids))
	}
	first, err := v.read(ctx, u, ids, read, free)
	if err != nil {
		t.Fatal(err)
	}
	all, err := v.read(ctx, u, ids, len(ids), free)
	if err != nil {
		t.Fatal(err)
	}
	length := v.enc.scales().length
	dur := durations(append(slices.Clone(first.w[:keep]), all.w[keep:]...), length, u.Speed)
	n := total(dur[:keep])
	z := make([]float32, int(v.cut.channels)*n)
	v.noise.fill(z, u.Seed)
	v.latent(z, n, 0, first, dur[:keep], 0)
	z, frames := v.goOn(u, z, n, all, dur[keep:], keep)
	u.Stream = false
	if err := v.vocode(ctx, u, z, frames, free, func(s []float32) error {
		samples = append(samples, s...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return samples, time.Duration(n) * time.Duration(v.hop) * time.Second / time.Duration(v.info.SampleRate)
}

func checkEarly(t *testing.T, v *vits, units string) {
	t.Helper()
	for _, speed := range []float64{0.7, 1, 1.6} {
		u := Utterance{Units: units, Speed: speed, Seed: 5, Stream: true}
		want, _ := joined(t, v, u)
		got, marks := heard(t, v, u)
		if d := worst(got, want); !(d < 1e-4) {
			t.Errorf("at speed %v the early stream differs from one go by %g (%d samples, want %d)", speed, d, len(got), len(want))
		}
		if again, _ := heard(t, v, u); !slices.Equal(got, again) {
			t.Errorf("at speed %v the same utterance gave other samples", speed)
		}
		checkMarks(t, marks, time.Duration(len(got))*time.Second/time.Duration(v.info.SampleRate), strings.Count(units, " ")+1)
	}
}

func smallVITS(t *testing.T) *vits {
	t.Helper()
	m := voicetest.VITS(voicetest.VITSOptions{Layout: "piper"})
	v, ok := loadSmall(t, place(t, "v.onnx", m, map[string]string{"v.onnx.json": piperJSON("espeak", 1)}), "").(*vits)
	if !ok {
		t.Fatal("the small voice is not run in parts")
	}
	return v
}

func TestEarlyStream(t *testing.T) {
	v := smallVITS(t)
	checkEarly(t, v, strings.Repeat("hello again ", 12)+"hello")
}

func TestRealEarlyStream(t *testing.T) {
	checkEarly(t, loadReal(t, 2).(*vits), quick+" "+quick)
}

// A long text without a space in its opening, and a short one, are read once.
func TestOpening(t *testing.T) {
	v := smallVITS(t)
	f := func(units string, from, to int) {
		t.Helper()
		ids, runes := v.enc.encode(units)
		keep, read := v.opening(ids, runes)
		if keep < from || keep > to || keep > 0 && (read != keep+afterwards || runes[keep] != ' ') {
			t.Errorf("opening(%.30q, %d ids) = %d, %d, want %d to %d, at a space", units, len(ids), keep, read, from, to)
		}
	}
	f("hello again", 0, 0)
	f(strings.Repeat("a", 200), 0, 0)
	f("hello "+strings.Repeat("a", 200), 0, 0)
	f(strings.Repeat("hello again ", 12), openingMost/2, openingMost)
}

// Whatever ends an early stream, it ends, and with an error.
func TestEarlyStreamEnds(t *testing.T) {
	v := smallVITS(t)
	u := Utterance{Units: strings.Repeat("hello again ", 12), Speed: 1, Stream: true}
	for after := range 12 { // uses of the runtime
		ctx, cancel := context.WithCancel(context.Background())
		var gate gateAfter
		gate.left.Store(int32(after))
		gate.cancel = cancel
		if _, err := v.Speak(ctx, u, gate.run, func([]float32) error { return nil }); err == nil && gate.left.Load() < 0 {
			t.Errorf("Speak, cancelled at use %d, gave no error", after)
		}
		cancel()
	}
	heard := 0
	stop := context.Canceled
	if _, err := v.Speak(context.Background(), u, free, func(s []float32) error {
		if heard += len(s); heard > 0 {
			return stop
		}
		return nil
	}); err != stop {
		t.Errorf("Speak = %v where emit ended it, want its error", err)
	}
}

// The opening is said about as it is when all of the text is read.
func TestRealOpeningSounds(t *testing.T) {
	v := loadReal(t, 2).(*vits)
	u := Utterance{Units: quick + " " + quick, Speed: 1, Stream: true}
	_, opening := joined(t, v, u)
	early, _ := heard(t, v, u)
	v.long = math.MaxInt
	plain, _ := heard(t, v, u)
	n := int(opening.Seconds() * float64(v.info.SampleRate))
	if r := float64(len(early)) / float64(len(plain)); r < 0.95 || r > 1.05 {
		t.Errorf("read twice it takes %v of the time", r)
	}
	a, b := rms(early[:n]), rms(plain[:n])
	if d := 20 * math.Log10(a/b); math.Abs(d) > 2 {
		t.Errorf("the opening of %v is %.1f dB louder than read at once", opening, d)
	}
}

func rms(s []float32) float64 {
	sum := 0.0
	for _, x := range s {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum / float64(len(s)))
}

// gateAfter is a gate whose context ends at a use.
type gateAfter struct {
	left   atomic.Int32
	cancel context.CancelFunc
}

func (g *gateAfter) run(ctx context.Context, f func() error) error {
	if g.left.Add(-1) < 0 {
		g.cancel()
		return context.Canceled
	}
	return f()
}
