package voice

import (
	"fmt"
	"strings"
	"testing"
)

const goodConfig = `{"audio":{"sample_rate":22050},"espeak":{"voice":"en-us"},"inference":{"noise_scale":0.5},
"phoneme_id_map":{"_":[0],"^":[1],"$":[2]," ":[3],"a":[14],"c":[16],"\u0327":[140],"ab":[9]},"language":{"code":"en_US"}}`

func TestPiperConfig(t *testing.T) {
	c, err := parsePiperConfig([]byte(goodConfig))
	if err != nil {
		t.Fatal(err)
	}
	if *c.Inference.Noise != 0.5 || *c.Inference.Length != 1 || *c.Inference.NoiseW != 0.8 {
		t.Errorf("scales = %v %v %v", *c.Inference.Noise, *c.Inference.Length, *c.Inference.NoiseW)
	}
	ids, marks := c.encode("aXç") // ç is two code points when decomposed, X is unknown
	if got, want := ids, []int64{1, 0, 14, 0, 16, 0, 140, 0, 2}; !equal(got, want) {
		t.Errorf("encode(aXç) = %v, want %v", got, want)
	}
	if len(marks) != len(ids) || marks[2] != 'a' || marks[0] != 0 {
		t.Errorf("marks = %q", marks)
	}
	f := func(old, new, has string) {
		t.Helper()
		_, err := parsePiperConfig([]byte(strings.Replace(goodConfig, old, new, 1)))
		if err == nil || !strings.Contains(err.Error(), has) {
			t.Errorf("with %s for %s: %v, want an error with %q", new, old, err, has)
		}
	}
	f("22050", "1", "audio.sample_rate")
	f("22050", `"x"`, "configuration")
	f(`"voice":"en-us"`, `"voice":""`, "espeak.voice")
	f(`"^":[1],`, "", "phoneme_id_map")
	f("[14]", "[-1]", "phoneme_id_map")
	f("0.5", "99", "noise_scale")
	f(`"audio"`, `"phoneme_type":"klingon","audio"`, "phoneme_type")
	f(`"audio"`, `"num_speakers":2,"speaker_id_map":{"x":5},"audio"`, "speaker_id_map")
	f("{", "", "configuration")
}

func equal(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func FuzzPiperConfig(f *testing.F) {
	f.Add([]byte(goodConfig))
	f.Add([]byte(`{"audio":{"sample_rate":1e400}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parsePiperConfig(b)
		if err != nil {
			return
		}
		c.encode("aç _^$")
		c.speakerNames()
	})
}

func TestDurations(t *testing.T) {
	w := []float32{0.2, 1.4, 2.9, 0, 3.1, float32(1e9)}
	if got := durations(w[:5], 1, 1); got[0] != 1 || got[1] != 2 || got[2] != 3 || got[3] != 0 || got[4] != 4 {
		t.Errorf("durations at speed 1 = %v, want them rounded up", got)
	}
	if got := durations(w, 1, 1); got[5] != maxDuration {
		t.Errorf("an endless duration became %d", got[5])
	}
	for _, speed := range []float64{0.25, 0.5, 1.5, 2, 4} {
		sum := 0
		for _, d := range durations(w[:5], 1, speed) {
			if d < 0 {
				t.Errorf("speed %v gives a negative duration", speed)
			}
			sum += d
		}
		if want := 10 / speed; float64(sum) < want-0.51 || float64(sum) > want+0.51 {
			t.Errorf("speed %v gives %d frames, want %v", speed, sum, want)
		}
	}
}

// The windows of every stage follow each other over what the stages behind it
// read, and the first ones of a stream are what these read for the first sound.
func TestWindows(t *testing.T) {
	flow, head, tail := &stage{rate: 1, radius: 32}, &stage{rate: 8, radius: 10}, &stage{rate: 32, radius: 8}
	stages := []*stage{flow, head, tail}
	for frames := 1; frames < 3000; frames += 7 {
		for _, n := range []int{1, 2, 4} {
			for _, first := range []int{0, 20, 64} {
				for _, part := range [][2]int{{0, frames}, {0, frames / 3}, {frames / 3, frames}} {
					for _, u := range []Utterance{{}, {Spread: true}} {
						from, to := part[0], part[1]
						if from == to {
							continue
						}
						v := &vits{threads: n}
						spans := v.windows(stages, from, to, frames, first, u)
						f := func(format string, args ...any) {
							t.Helper()
							t.Fatalf("frames %d to %d of %d, %d threads, first %d, %+v: %s", from, to, frames, n, first, u, fmt.Sprintf(format, args...))
						}
						for i, scale := range []int{1, 1, 8} {
							beyond := []int{11, 1, 0}[i]
							at := max(from-beyond, 0) * scale
							if spans[i].start != at {
								f("stage %d starts at %d, want %d", i, spans[i].start, at)
							}
							for _, end := range spans[i].ends {
								if end <= at || i == 2 && end-at > 8*(tailWindow+tailWindow/2) {
									f("stage %d has the window %d to %d", i, at, end)
								}
								at = end
							}
							if want := min(to+beyond, frames) * scale; at != want {
								f("the windows of stage %d end at %d, want %d", i, at, want)
							}
							if sure := min(first, tailWindow); first > 0 && to-from > 400 && spans[i].ends[0] < (from+sure+beyond)*scale {
								f("the first window of stage %d ends at %d", i, spans[i].ends[0])
							}
						}
					}
				}
			}
		}
	}
}
