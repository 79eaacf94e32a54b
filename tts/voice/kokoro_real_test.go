package voice

import (
	"context"
	"testing"
	"time"

	"repartee/tts/internal/voicetest"
	"repartee/tts/onnx"
)

func loadKokoro(t testing.TB) *styled {
	t.Helper()
	path := voicetest.Kokoro(t)
	if err := onnx.Open(voicetest.Runtime(t)); err != nil {
		t.Fatalf("opening ONNX Runtime: %v", err)
	}
	v, err := Load(path, Options{Threads: 2})
	if err != nil {
		t.Fatalf("Load(%q): %v", path, err)
	}
	t.Cleanup(v.Close)
	return v.(*styled)
}

func TestKokoroSpeaks(t *testing.T) {
	v := loadKokoro(t)
	i := v.Info()
	if i.Family != "kokoro" || i.SampleRate != 24000 || !i.Timed || !i.Blends || len(i.Speakers) < 28 {
		t.Errorf("Info() = %+v", i)
	}
	for _, name := range []string{"af_heart", "bm_george", "af_bella(2)+af_sky(1)"} {
		s, err := i.Speaker(name)
		if err != nil {
			t.Fatal(err)
		}
		var all []float32
		t0 := time.Now()
		marks, err := v.Speak(context.Background(), Utterance{Units: hello, Speed: 1, Speaker: s}, free, func(s []float32) error {
			all = append(all, s...)
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		whole := time.Duration(len(all)) * time.Second / 24000
		t.Logf("%s: %v for %v", name, time.Since(t0), whole)
		if whole < time.Second || whole > 4*time.Second {
			t.Errorf("%s: %v of sound", name, whole)
		}
		checkMarks(t, marks, whole, 4)
		if again := speak(t, v, Utterance{Units: hello, Speed: 1, Speaker: s}); worst(all, again) != 0 {
			t.Errorf("%s: the same utterance gave other samples", name)
		}
		if fast := speak(t, v, Utterance{Units: hello, Speed: 2, Speaker: s}); len(fast) > len(all)*7/10 {
			t.Errorf("%s: at speed 2 %d samples, at speed 1 %d", name, len(fast), len(all))
		}
	}
}

// checkMarks makes sure that marks follow one another within the whole and
// that there are as many words as were said.
func checkMarks(t *testing.T, marks []Mark, whole time.Duration, words int) {
	t.Helper()
	last := Mark{}
	for i, m := range marks {
		if m.Start < last.End || m.End < m.Start || m.End > whole || m.Word < last.Word || m.Word > last.Word+1 {
			t.Errorf("mark %d is %+v behind %+v of %v", i, m, last, whole)
		}
		last = m
	}
	if last.Word != words-1 || last.End < whole/2 {
		t.Errorf("the last of %d marks is %+v, want word %d of %v", len(marks), last, words-1, whole)
	}
}
