package voice

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"repartee/tts/internal/voicetest"
	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

// place writes a graph and the files beside it into a folder of its own.
func place(t testing.TB, name string, m *graph.Model, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, b []byte) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(name, m.Bytes())
	for n, s := range files {
		put(n, []byte(s))
	}
	return filepath.Join(dir, name)
}

func loadSmall(t testing.TB, path string, has string) Voice {
	t.Helper()
	if err := onnx.Open(voicetest.Runtime(t)); err != nil {
		t.Fatalf("opening ONNX Runtime: %v", err)
	}
	v, err := Load(path, Options{Threads: 2})
	if has != "" {
		if err == nil || !strings.Contains(err.Error(), has) {
			t.Errorf("Load = %v, want an error with %q", err, has)
		}
		return nil
	}
	if err != nil {
		t.Fatalf("Load(%q): %v", filepath.Base(path), err)
	}
	t.Cleanup(v.Close)
	return v
}

// piperJSON is the configuration of a small Piper voice.
func piperJSON(kind string, speakers int) string {
	ids := []string{`"_":[0]`, `"^":[1]`, `"$":[2]`, `" ":[3]`}
	for i := range 26 {
		ids = append(ids, fmt.Sprintf(`"%c":[%d]`, 'a'+i, 10+i))
	}
	names := "{}"
	if speakers > 1 {
		names = `{"ann":1}`
	}
	return fmt.Sprintf(`{"audio":{"sample_rate":16000},"espeak":{"voice":"en-us"},"phoneme_type":%q,"num_speakers":%d,
		"speaker_id_map":%s,"phoneme_id_map":{%s}}`, kind, speakers, names, strings.Join(ids, ","))
}

// heard is what a voice makes of an utterance, and its marks.
func heard(t testing.TB, v Voice, u Utterance) ([]float32, []Mark) {
	t.Helper()
	var all []float32
	marks, err := v.Speak(context.Background(), u, free, func(s []float32) error {
		all = append(all, s...)
		return nil
	})
	if err != nil {
		t.Fatalf("Speak(%+v): %v", u, err)
	}
	return all, marks
}

func TestVITSLayouts(t *testing.T) {
	var tokens, vocab []string
	for i, r := range "_ abcdefghijklmnopqrstuvwxyz" {
		tokens = append(tokens, fmt.Sprintf("%c %d", r, i))
		vocab = append(vocab, fmt.Sprintf("%q:%d", string(r), i))
	}
	split := voicetest.VITS(voicetest.VITSOptions{Layout: "split"})
	split.Metadata["sample_rate"], split.Metadata["language"] = "22050", "deu"
	mms := map[string]string{"vocab.json": "{" + strings.Join(vocab, ",") + `,"<unk>":40}`, "tokenizer_config.json": `{"is_uroman":false}`}
	var all []string
	f := func(name string, m *graph.Model, files map[string]string, check func(t *testing.T, v Voice)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			v := loadSmall(t, place(t, "v.onnx", m, files), "")
			i := v.Info()
			all = append(all, i.Family)
			check(t, v)
			const said = "hello there again"
			one, marks := heard(t, v, Utterance{Units: said, Speed: 1, Seed: 3})
			whole := time.Duration(len(one)) * time.Second / time.Duration(i.SampleRate)
			if len(one) == 0 || len(marks) != 15 {
				t.Errorf("%d samples, %d marks of 15", len(one), len(marks))
			}
			checkMarks(t, marks, whole, 3)
			if again, _ := heard(t, v, Utterance{Units: said, Speed: 1, Seed: 3}); worst(one, again) != 0 {
				t.Error("the same utterance gave other samples")
			}
			if streamed, _ := heard(t, v, Utterance{Units: said, Speed: 1, Seed: 3, Stream: true}); !(worst(one, streamed) < 1e-4) {
				t.Errorf("streamed samples differ by %g", worst(one, streamed))
			}
			if other, _ := heard(t, v, Utterance{Units: said, Speed: 1, Seed: 4}); worst(one, other) == 0 {
				t.Error("another seed gave the same samples")
			}
			if fast, _ := heard(t, v, Utterance{Units: said, Speed: 2, Seed: 3}); len(fast) > len(one)*8/10 {
				t.Errorf("at speed 2 %d samples, at speed 1 %d", len(fast), len(one))
			}
			if none, _ := heard(t, v, Utterance{Units: "123 …", Speed: 1}); len(none) != 0 {
				t.Errorf("nothing to say gave %d samples", len(none))
			}
		})
	}
	is := func(family string, rate int, inParts, characters bool) func(*testing.T, Voice) {
		return func(t *testing.T, v Voice) {
			t.Helper()
			i := v.Info()
			_, parts := v.(*vits)
			if i.Family != family || i.SampleRate != rate || parts != inParts || i.Characters != characters || !i.Timed {
				t.Errorf("%T with %+v", v, i)
			}
		}
	}
	f("piper", voicetest.VITS(voicetest.VITSOptions{Layout: "piper"}), map[string]string{"v.onnx.json": piperJSON("espeak", 1)}, is("piper", 16000, true, false))
	f("piper as a whole", voicetest.VITS(voicetest.VITSOptions{Layout: "piper", Uncuttable: true}), map[string]string{"v.onnx.json": piperJSON("espeak", 1)}, is("piper", 16000, false, false))
	f("piper reading letters", voicetest.VITS(voicetest.VITSOptions{Layout: "piper"}), map[string]string{"v.onnx.json": piperJSON("text", 1)}, func(t *testing.T, v Voice) {
		is("piper", 16000, true, true)(t, v)
		small, _ := heard(t, v, Utterance{Units: "hello", Speed: 1})
		if big, _ := heard(t, v, Utterance{Units: "HELLO", Speed: 1}); worst(small, big) != 0 {
			t.Error("capital letters are read otherwise")
		}
	})
	f("piper with speakers", voicetest.VITS(voicetest.VITSOptions{Layout: "piper", Speakers: 3}), map[string]string{"v.onnx.json": piperJSON("espeak", 3)}, func(t *testing.T, v Voice) {
		ann, err := v.Info().Speaker("ann")
		if err != nil || ann.ID != 1 || strings.Join(v.Info().Speakers, " ") != "0 ann 2" {
			t.Errorf("Speaker(ann) = %v, %v of %v", ann, err, v.Info().Speakers)
		}
		a, _ := heard(t, v, Utterance{Units: "hello", Speed: 1})
		if b, _ := heard(t, v, Utterance{Units: "hello", Speed: 1, Speaker: ann}); worst(a, b) == 0 {
			t.Error("two speakers sound the same")
		}
	})
	f("mms, scales one by one", split, map[string]string{"tokens.txt": strings.Join(tokens, "\n")}, func(t *testing.T, v Voice) {
		is("mms", 22050, true, true)(t, v)
		if l := v.Info().Language; l != "de" {
			t.Errorf("language %q, want de", l)
		}
	})
	f("mms, scales within", voicetest.VITS(voicetest.VITSOptions{Layout: "fixed"}), mms, is("mms", 16000, true, true))
	f("mms as a whole", voicetest.VITS(voicetest.VITSOptions{Layout: "fixed", Uncuttable: true}), mms, is("mms", 16000, false, true))

	small := voicetest.VITS(voicetest.VITSOptions{Layout: "fixed"})
	loadSmall(t, place(t, "v.onnx", small, nil), "tokens.txt or vocab.json")
	loadSmall(t, place(t, "v.onnx", small, map[string]string{"vocab.json": `{"a":1,"b":2}`, "tokenizer_config.json": `{"is_uroman":true}`}), "romanised")
	loadSmall(t, place(t, "v.onnx", small, map[string]string{"vocab.json": `{"a":-1,"b":2}`}), "id -1")
	loadSmall(t, place(t, "v.onnx", small, map[string]string{"tokens.txt": "a one"}), "a symbol and its id")
	loadSmall(t, place(t, "v.onnx", voicetest.VITS(voicetest.VITSOptions{Layout: "piper"}), nil), "v.onnx.json")
	loadSmall(t, place(t, "v.onnx", voicetest.VITS(voicetest.VITSOptions{Layout: "piper", Speakers: 2}), map[string]string{"v.onnx.json": piperJSON("espeak", 1)}), "speakers")
}

func FuzzVocabulary(f *testing.F) {
	f.Add("a 1\nb 2\n 3\n", `{"a":1,"b":2}`, `{"is_uroman":false}`)
	f.Fuzz(func(t *testing.T, tokens, vocab, rules string) {
		for _, parse := range []func() (*characters, error){
			func() (*characters, error) { return parseTokens(tokens) },
			func() (*characters, error) { return parseVocabulary([]byte(vocab), []byte(rules)) },
		} {
			c, err := parse()
			if err != nil {
				continue
			}
			ids, marks := c.encode(tokens)
			if len(ids) != len(marks) {
				t.Errorf("%d ids, %d marks", len(ids), len(marks))
			}
		}
	})
}

func TestSpeedIsParted(t *testing.T) {
	f := func(slowest, fastest, want, own, stretched float64) {
		t.Helper()
		o, s := Info{Slowest: slowest, Fastest: fastest}.Speed(want)
		if o != own || s != stretched {
			t.Errorf("between %v and %v Speed(%v) = %v, %v, want %v, %v", slowest, fastest, want, o, s, own, stretched)
		}
	}
	f(0, 0, 4, 4, 1)
	f(0.5, 2, 1, 1, 1)
	f(0.5, 2, 4, 2, 2)
	f(0.5, 2, 0.25, 0.5, 0.5)
	f(1, 1, 1.5, 1, 1.5)
}
