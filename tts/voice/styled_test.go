package voice

import (
	"testing"
	"time"

	"repartee/tts/internal/voicetest"
)

func TestStyledLayouts(t *testing.T) {
	f := func(name string, o voicetest.StyledOptions, rows int, family string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			packs := map[string]string{"v.voices/af_ann.bin": string(pack(rows, 0.1)), "v.voices/bm_bob.bin": string(pack(rows, 0.2)), "v.voices/zf_cho.bin": string(pack(rows, 0.2))}
			v := loadSmall(t, place(t, "v.onnx", voicetest.Styled(o), packs), "")
			i := v.Info()
			speakers := map[string]int{"kokoro": 2, "kitten": 3}[family] // of Kokoro's, Chinese cannot be read
			if i.Family != family || i.SampleRate != 24000 || !i.Timed || !i.Blends || len(i.Speakers) != speakers {
				t.Errorf("Info() = %+v, want family %s", i, family)
			}
			const said = "həlˈoʊ wˈɜːld"
			one, marks := heard(t, v, Utterance{Units: said, Speed: 1})
			checkMarks(t, marks, time.Duration(len(one))*time.Second/24000, 2)
			if again, _ := heard(t, v, Utterance{Units: said, Speed: 1}); worst(one, again) != 0 {
				t.Error("the same utterance gave other samples")
			}
			if fast, _ := heard(t, v, Utterance{Units: said, Speed: 1.5}); len(fast) >= len(one)*9/10 {
				t.Errorf("at speed 1.5 %d samples, at speed 1 %d", len(fast), len(one))
			}
			mix, err := i.Speaker("af_ann+bm_bob(3)")
			if err != nil {
				t.Fatal(err)
			}
			loud := func(s []float32) float64 {
				sum := 0.0
				for _, x := range s {
					sum += float64(x) * float64(x)
				}
				return sum
			}
			ann, _ := heard(t, v, Utterance{Units: "a a", Speed: 1})
			mixed, _ := heard(t, v, Utterance{Units: "a a", Speed: 1, Speaker: mix})
			if !(loud(mixed) > loud(ann)) {
				t.Errorf("the mix has the power %g, the first speaker alone %g", loud(mixed), loud(ann))
			}
			long := ""
			for range 3000 {
				long += "a"
			}
			if s, _ := heard(t, v, Utterance{Units: long, Speed: 1}); len(s) == 0 {
				t.Error("a text beyond the bound gave nothing")
			}
			if s, _ := heard(t, v, Utterance{Units: " ", Speed: 1}); len(s) != 0 {
				t.Errorf("nothing to say gave %d samples", len(s))
			}
		})
	}
	f("kokoro, tokens", voicetest.StyledOptions{Tokens: "tokens"}, 510, "kokoro")
	f("kokoro, input_ids, half precision", voicetest.StyledOptions{Tokens: "input_ids", Half: true}, 510, "kokoro")
	f("kokoro, speed as an integer", voicetest.StyledOptions{Tokens: "tokens", Whole: true}, 511, "kokoro")
	f("kitten, one style", voicetest.StyledOptions{Tokens: "input_ids", Kitten: true}, 1, "kitten")
	f("kitten, styles by length", voicetest.StyledOptions{Tokens: "input_ids", Kitten: true}, 400, "kitten")
	loadSmall(t, place(t, "v.onnx", voicetest.Styled(voicetest.StyledOptions{Tokens: "tokens"}), nil), "no style packs")
	loadSmall(t, place(t, "v.onnx", voicetest.Styled(voicetest.StyledOptions{Tokens: "tokens"}), map[string]string{"v.voices/jf_x.bin": string(pack(510, 0))}), "language that can be read")
}
