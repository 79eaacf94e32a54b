package synthetic

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"repartee/tts/onnx/graph"
)

// VoiceShapes are the voices that can be made, each a graph of its family's real
// layer sizes with random weights: what it says is noise, what it costs is right.
var VoiceShapes = []string{"vits", "kokoro"}

// WriteVoice makes a voice at path with what belongs beside it: a configuration
// for vits, a style pack for kokoro. thin makes layers narrow and few.
func WriteVoice(name, path string, thin bool, seed uint64) error {
	g := newNetwork(seed)
	beside := func(file string, data []byte) error {
		if err := os.WriteFile(file, data, 0o644); err != nil {
			return fmt.Errorf("synthetic: %w", err)
		}
		return nil
	}
	switch name {
	case "vits":
		g.vits(vitsSize(thin))
		config, err := json.MarshalIndent(vitsConfig(), "", " ")
		if err != nil {
			return err
		}
		if err := beside(path+".json", config); err != nil {
			return err
		}
	case "kokoro":
		g.kokoro(kokoroSize(thin))
		pack := make([]byte, 0, 510*256*4)
		for range 510 * 256 {
			pack = binary.LittleEndian.AppendUint32(pack, math.Float32bits(float32(g.random.NormFloat64()*0.1)))
		}
		if err := beside(filepath.Join(filepath.Dir(path), "voices-random.bin"), pack); err != nil {
			return err
		}
	default:
		return fmt.Errorf("synthetic: no voice is called %q; there are %s", name, strings.Join(VoiceShapes, ", "))
	}
	return beside(path, g.m.Bytes())
}

// phonemes are the code points that the vits voice knows.
const phonemes = "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢˈˌːˑ˞βθχᵻⱱ0123456789̧̩̪̯̃̊̆"

func vitsConfig() map[string]any {
	ids := map[string][]int{}
	for i, r := range []rune(phonemes) {
		ids[string(r)] = []int{i}
	}
	return map[string]any{
		"audio": map[string]any{"sample_rate": 22050, "quality": "medium"}, "espeak": map[string]any{"voice": "en-us"}, "language": map[string]any{"code": "en_US"},
		"inference":    map[string]any{"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
		"phoneme_type": "espeak", "phoneme_map": map[string]any{}, "phoneme_id_map": ids, "num_symbols": 256, "num_speakers": 1, "speaker_id_map": map[string]any{},
	}
}

// vitsSizes are the widths of a VITS voice; see Kim et al., "Conditional
// Variational Autoencoder with Adversarial Learning for End-to-End Text-to-Speech",
// and HiFi-GAN's second residual block.
type vitsSizes struct {
	width, heads, layers, feed int64
	couplings, waves           int64
	decoder                    int64
}

func vitsSize(thin bool) vitsSizes {
	if thin {
		return vitsSizes{48, 2, 1, 96, 1, 1, 32}
	}
	return vitsSizes{192, 2, 6, 768, 4, 4, 256} // Piper's medium quality
}

func (g *network) vits(s vitsSizes) {
	ids := g.input("input", graph.Int64, 1, -1)
	lengths := g.input("input_lengths", graph.Int64, 1)
	scales := g.input("scales", graph.Float32, 3)
	pick := func(i int64) string { return g.op("Gather", []string{scales, g.ints(i)}) }
	noise, length, noiseW := pick(0), pick(1), pick(2)
	ids = g.add(ids, g.op("Sub", []string{lengths, lengths})) // every input is read
	x := g.op("Gather", []string{g.normal(1, 256, s.width), ids})
	for range s.layers {
		x = g.norm(g.add(x, g.attention(x, s.width, s.heads)), s.width)
		f := g.turn(x, 0, 2, 1)
		f = g.conv(g.op("Relu", []string{g.conv(f, s.width, s.feed, 3, 1)}), s.feed, s.width, 3, 1)
		x = g.norm(g.add(x, g.turn(f, 0, 2, 1)), s.width)
	}
	x = g.turn(x, 0, 2, 1) // [1, C, L]
	// Durations: a stack of convolutions, with noise.
	d := x
	for i := range 3 * s.layers {
		d = g.add(d, g.op("Relu", []string{g.conv(d, s.width, s.width, 3, 1<<(i%3))}))
		d = g.turn(g.norm(g.turn(d, 0, 2, 1), s.width), 0, 2, 1)
	}
	logw := g.mul(g.conv(d, s.width, 1, 1, 1), g.number(0.1))
	e := g.op("RandomNormalLike", []string{g.op("Concat", []string{logw, logw}, graph.IntAttr("axis", 1))})
	e = g.mul(g.mul(e, noiseW), g.number(0.1))
	logw = g.add(logw, g.op("ReduceMean", []string{e}, graph.IntsAttr("axes", 1)))
	w := g.add(g.op("Abs", []string{logw}), g.number(2.6)) // frames a symbol, blanks among them, as speech has
	w = g.op("Ceil", []string{g.mul(w, length)})
	path, frames := g.path(w)
	stretch := func(t string) string {
		return g.turn(g.op("MatMul", []string{path, g.turn(t, 0, 2, 1)}), 0, 2, 1)
	}
	mean := stretch(g.conv(x, s.width, s.width, 1, 1))
	logs := stretch(g.mul(g.conv(x, s.width, s.width, 1, 1), g.number(0.1)))
	z := g.add(mean, g.mul(g.mul(g.op("RandomNormalLike", []string{mean}), g.op("Exp", []string{logs})), noise))
	size := g.op("Concat", []string{g.ints(1, 1), g.op("Unsqueeze", []string{frames, g.ints(0)})}, graph.IntAttr("axis", 0))
	mask := g.op("ConstantOfShape", []string{size}, graph.TensorAttr("value", graph.Floats("", []int64{1}, []float32{1})))
	for range s.couplings { // half of the channels shifts the other
		half := s.width / 2
		a := g.op("Slice", []string{z, g.ints(0), g.ints(half), g.ints(1)})
		b := g.op("Slice", []string{z, g.ints(half), g.ints(s.width), g.ints(1)})
		h := g.mul(g.conv(a, half, s.width, 1, 1), mask)
		for range s.waves {
			u := g.conv(h, s.width, 2*s.width, 5, 1)
			t := g.op("Tanh", []string{g.op("Slice", []string{u, g.ints(0), g.ints(s.width), g.ints(1)})})
			v := g.op("Sigmoid", []string{g.op("Slice", []string{u, g.ints(s.width), g.ints(2 * s.width), g.ints(1)})})
			h = g.mul(g.add(h, g.conv(g.mul(t, v), s.width, s.width, 1, 1)), mask)
		}
		b = g.mul(g.op("Sub", []string{b, g.mul(g.conv(h, s.width, half, 1, 1), g.number(0.1))}), mask)
		z = g.op("Concat", []string{b, a}, graph.IntAttr("axis", 1))
	}
	z = g.mul(z, mask)
	// The vocoder: 256 samples a frame.
	v, c := g.conv(z, s.width, s.decoder, 7, 1), s.decoder
	for _, u := range [][2]int64{{16, 8}, {16, 8}, {8, 4}} {
		v = g.upsample(g.op("LeakyRelu", []string{v}), c, c/2, u[0], u[1])
		c /= 2
		sum := ""
		for _, k := range []struct{ kernel, first, second int64 }{{3, 1, 2}, {5, 2, 6}, {7, 3, 12}} {
			b := g.add(v, g.conv(g.op("LeakyRelu", []string{v}), c, c, k.kernel, k.first))
			b = g.add(b, g.conv(g.op("LeakyRelu", []string{b}), c, c, k.kernel, k.second))
			if sum != "" {
				b = g.add(sum, b)
			}
			sum = b
		}
		v = g.mul(sum, g.number(1.0/3))
	}
	y := g.op("Tanh", []string{g.conv(g.op("LeakyRelu", []string{v}), c, 1, 7, 1)})
	g.output(g.op("Unsqueeze", []string{y, g.ints(1)}), "output")
}
