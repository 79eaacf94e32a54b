package voice

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"repartee/tts/internal/voicetest"
)

// supertonicPlace writes a small Supertonic; change may spoil its files.
func supertonicPlace(t *testing.T, change func(files map[string]string)) string {
	t.Helper()
	style := func(x float64) string {
		nested := func(a, b int) any {
			rows := make([][]float64, a)
			for i := range rows {
				rows[i] = make([]float64, b)
				for k := range rows[i] {
					rows[i][k] = x
				}
			}
			return []any{rows}
		}
		b, err := json.Marshal(map[string]any{
			"style_ttl": map[string]any{"dims": []int{1, 50, 256}, "data": nested(50, 256)},
			"style_dp":  map[string]any{"dims": []int{1, 8, 16}, "data": nested(8, 16)},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	index := make([]int, 180)
	for i := range index {
		index[i] = i
		if i < 32 {
			index[i] = -1
		}
	}
	b, err := json.Marshal(index)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"onnx/tts.json":             `{"ae":{"sample_rate":44100,"base_chunk_size":16},"ttl":{"chunk_compress_factor":2,"latent_dim":4}}`,
		"onnx/unicode_indexer.json": string(b), "voice_styles/F1.json": style(0.5), "voice_styles/M1.json": style(0.9),
	}
	graphs := voicetest.Supertonic(8, 32)
	for name, m := range graphs {
		if name != "text_encoder.onnx" {
			files["onnx/"+name] = string(m.Bytes())
		}
	}
	if change != nil {
		change(files)
	}
	return place(t, filepath.Join("onnx", "text_encoder.onnx"), graphs["text_encoder.onnx"], files)
}

func TestSupertonic(t *testing.T) {
	v := loadSmall(t, supertonicPlace(t, nil), "")
	i := v.Info()
	if i.Family != "supertonic" || i.SampleRate != 44100 || !i.Characters || len(i.Speakers) != 2 || i.Speakers[1] != "M1" {
		t.Errorf("Info() = %+v", i)
	}
	const said = "Hello there, again."
	one, _ := heard(t, v, Utterance{Units: said, Speed: 1})
	if n := float64(len(one)) / 44100; n < 0.8 || n > 1.2 {
		t.Errorf("%d characters gave %.2f s, want about 0.05 s each", len(said), n)
	}
	if again, _ := heard(t, v, Utterance{Units: said, Speed: 1}); worst(one, again) != 0 {
		t.Error("the same utterance gave other samples")
	}
	if other, _ := heard(t, v, Utterance{Units: said, Speed: 1, Seed: 5}); worst(one, other) == 0 {
		t.Error("another seed gave the same samples")
	}
	if fast, _ := heard(t, v, Utterance{Units: said, Speed: 2}); len(fast) < len(one)*49/100 || len(fast) > len(one)*51/100 {
		t.Errorf("at speed 2 %d samples, at speed 1 %d", len(fast), len(one))
	}
	m1, err := i.Speaker("M1")
	if err != nil {
		t.Fatal(err)
	}
	if other, _ := heard(t, v, Utterance{Units: said, Speed: 1, Speaker: m1}); worst(one, other) == 0 {
		t.Error("two speakers sound the same")
	}
	if none, _ := heard(t, v, Utterance{Units: " \u4e2d ", Speed: 1}); len(none) != 0 {
		t.Errorf("unknown characters gave %d samples", len(none))
	}
	f := func(has, file, content string) {
		t.Helper()
		loadSmall(t, supertonicPlace(t, func(files map[string]string) {
			if files[file] = content; content == "" {
				delete(files, file)
			}
		}), has)
	}
	f("tts.json", "onnx/tts.json", "")
	f("not in range", "onnx/tts.json", `{"ae":{"sample_rate":1}}`)
	f("unicode_indexer.json", "onnx/unicode_indexer.json", "{")
	f("vocoder.onnx", "onnx/vocoder.onnx", "")
	f("style_ttl", "voice_styles/F1.json", `{"style_ttl":{"dims":[1,2,3],"data":[1]},"style_dp":{"dims":[1,1,1],"data":[1]}}`)
	f("want numbers", "voice_styles/F1.json", `{"style_ttl":{"dims":[1,1,1],"data":["x"]},"style_dp":{"dims":[1,1,1],"data":[1]}}`)
}

func FuzzSupertonicStyle(f *testing.F) {
	f.Add([]byte(`{"dims":[1,1,2],"data":[[[1,2]]]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var x tensorJSON
		if json.Unmarshal(b, &x) != nil || x.check("x") != nil {
			return
		}
		if n := x.Dims[0] * x.Dims[1] * x.Dims[2]; n != int64(len(x.flat)) {
			t.Errorf("%v of %d numbers was taken", x.Dims, len(x.flat))
		}
	})
}
