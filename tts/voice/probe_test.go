package voice

import (
	"context"
	"math"
	"strings"
	"testing"

	"repartee/tts/internal/voicetest"
)

func TestCompare(t *testing.T) {
	path := place(t, "v.onnx", voicetest.VITS(voicetest.VITSOptions{Layout: "piper"}), map[string]string{"v.onnx.json": piperJSON("espeak", 1)})
	p, err := Compare(context.Background(), loadSmall(t, path, ""), loadSmall(t, path, ""))
	if err != nil || len(p.Units) != len(probeTexts) || len(p.CPU) != len(p.CUDA) || strings.Count(p.String(), "CUDA") != len(probeTexts) {
		t.Errorf("Compare of a voice with itself = %v, %v", p, err)
	}
}

func TestAlike(t *testing.T) {
	tone := func(n int, loud, phase float64) []float32 {
		s := make([]float32, n)
		for i := range s {
			s[i] = float32(loud * math.Sin(float64(i)/9+phase) * math.Abs(math.Sin(float64(i)/4000)))
		}
		return s
	}
	one := tone(20000, 0.3, 0)
	f := func(name string, b []float32, has string) {
		t.Helper()
		err := alike(one, b, 16000)
		if (err == nil) != (has == "") || err != nil && !strings.Contains(err.Error(), has) {
			t.Errorf("%s: alike = %v, want %q", name, err, has)
		}
	}
	f("itself", one, "")
	f("another phase", tone(20000, 0.3, 1), "")
	f("a little longer", tone(20300, 0.3, 0), "")
	f("longer", tone(30000, 0.3, 0), "samples")
	f("louder", tone(20000, 0.6, 0), "power")
	f("silent", make([]float32, 20000), "power")
	f("a click", append(make([]float32, 19999), 50), "agrees")
	f("broken", append(one[:19999:19999], float32(math.NaN())), "NaN")
}
