package voice

import (
	"context"
	"fmt"
	"math"
	"time"
)

// Probe says how a voice does on two devices, by length of the text.
type Probe struct {
	Units []int // phonemes or characters
	CPU   []time.Duration
	CUDA  []time.Duration
}

// Faster tells whether CUDA takes less time for all lengths together.
func (p Probe) Faster() bool {
	var cpu, cuda time.Duration
	for i := range p.CPU {
		cpu, cuda = cpu+p.CPU[i], cuda+p.CUDA[i]
	}
	return cuda < cpu
}

// String is one line for a log.
func (p Probe) String() string {
	s := ""
	for i, n := range p.Units {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%d units: CPU %v, CUDA %v", n, p.CPU[i].Round(time.Millisecond), p.CUDA[i].Round(time.Millisecond))
	}
	return s
}

// probeTexts are short, medium and long; letters and phonemes at once.
var probeTexts = []string{
	"hello there.",
	"ðə mitiŋ wið hɪm ɪz at ten, and ɪt kosts mor tu park ðan tu stei.",
	"ðə mitiŋ wið hɪm ɪz at ten, and ɪt kosts mor tu park ðan tu stei. pliz brɪŋ ðə repɔrt, and dont bi leit, bikɔz ðə dor ɪz lokt at ten and noubodi wɪl kam doun tu oupen it for ju.",
}

// Compare speaks the same texts with both and measures the second time of each;
// the first is planning. The error says that the results differ: other kernels
// give other numbers, but length and loudness over time must be the same.
func Compare(ctx context.Context, cpu, cuda Voice) (Probe, error) {
	var p Probe
	for _, text := range probeTexts {
		u := Utterance{Units: text, Speed: 1, Seed: 1}
		var sound [2][]float32
		var took [2]time.Duration
		for i, v := range []Voice{cpu, cuda} {
			for range 2 {
				sound[i] = sound[i][:0]
				t0 := time.Now()
				_, err := v.Speak(ctx, u, free, func(s []float32) error {
					sound[i] = append(sound[i], s...)
					return nil
				})
				if err != nil {
					return p, err
				}
				took[i] = time.Since(t0)
			}
		}
		if err := alike(sound[0], sound[1], cpu.Info().SampleRate); err != nil {
			return p, fmt.Errorf("voice: CUDA's result for %d units is not the CPU's: %w", len([]rune(text)), err)
		}
		p.Units = append(p.Units, len([]rune(text)))
		p.CPU, p.CUDA = append(p.CPU, took[0]), append(p.CUDA, took[1])
	}
	return p, nil
}

// alike compares two sounds by their loudness in steps of 20 ms.
func alike(a, b []float32, rate int) error {
	for _, x := range b {
		if f := float64(x); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("it holds %v", x)
		}
	}
	if d := len(a) - len(b); d > len(a)/20 || -d > len(a)/20 {
		return fmt.Errorf("%d samples, want %d", len(b), len(a))
	}
	step := max(rate/50, 1)
	var ab, aa, bb float64
	for i := 0; i+step <= min(len(a), len(b)); i += step {
		var x, y float64
		for k := i; k < i+step; k++ {
			x += float64(a[k]) * float64(a[k])
			y += float64(b[k]) * float64(b[k])
		}
		x, y = math.Sqrt(x), math.Sqrt(y)
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 && bb == 0 {
		return nil
	}
	if match := ab / math.Sqrt(aa*bb); !(match > 0.9) || !(bb > aa/2) || !(bb < aa*2) {
		return fmt.Errorf("its loudness over time agrees to %.2f only, its power is %.2f times the CPU's", match, bb/aa)
	}
	return nil
}
