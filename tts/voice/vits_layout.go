package voice

import (
	"fmt"

	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

// layout is how an export of VITS takes its inputs.
type layout int

const (
	// layoutPiper: input, input_lengths, scales = noise, length, noise of durations.
	layoutPiper layout = iota
	// layoutSplit: x, x_length and the three scales one by one (MMS, sherpa-onnx).
	layoutSplit
	// layoutFixed: input_ids, attention_mask; the scales are in the graph (MMS,
	// Transformers).
	layoutFixed
)

// vitsLayout tells the layout of a graph by its inputs.
func vitsLayout(m *graph.Model) (layout, bool) {
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := m.Input(n); !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("input", "input_lengths", "scales"):
		return layoutPiper, true
	case has("x", "x_length", "noise_scale", "length_scale", "noise_scale_w"):
		return layoutSplit, true
	case has("input_ids", "attention_mask"):
		_, wave := m.Output("waveform")
		return layoutFixed, wave
	}
	return 0, false
}

// phonemeInputs are the inputs that nothing behind the durations may read.
func (l layout) phonemeInputs() []string {
	return [][]string{{"input", "input_lengths"}, {"x", "x_length"}, {"input_ids", "attention_mask"}}[l]
}

// lengthsInput is the input that says how many ids count; "" = there is a mask in
// its place.
func (l layout) lengthsInput() string { return [][]string{{"input_lengths"}, {"x_length"}, {""}}[l][0] }

// vitsScales are the three numbers that a VITS voice is read with.
type vitsScales struct{ noise, length, noiseW float64 }

// feed gives the inputs of a text, those for the speaker included.
func (l layout) feed(ids []int64, s vitsScales, speaker int) map[string]onnx.Tensor {
	n := int64(len(ids))
	one := func(x float64) onnx.Tensor { return onnx.Floats([]float32{float32(x)}, 1) }
	in := map[string]onnx.Tensor{"sid": onnx.Ints([]int64{int64(speaker)}, 1)}
	switch l {
	case layoutPiper:
		in["input"], in["input_lengths"] = onnx.Ints(ids, 1, n), onnx.Ints([]int64{n}, 1)
		in["scales"] = onnx.Floats([]float32{float32(s.noise), float32(s.length), float32(s.noiseW)}, 3)
	case layoutSplit:
		in["x"], in["x_length"] = onnx.Ints(ids, 1, n), onnx.Ints([]int64{n}, 1)
		in["noise_scale"], in["length_scale"], in["noise_scale_w"] = one(s.noise), one(s.length), one(s.noiseW)
	case layoutFixed:
		mask := make([]int64, n)
		for i := range mask {
			mask[i] = 1
		}
		in["input_ids"], in["attention_mask"] = onnx.Ints(ids, 1, n), onnx.Ints(mask, 1, n)
	}
	return in
}

// encoder turns phonemes or characters into ids and says for each id to which
// code point it belongs (0 for none). No ids: there is nothing to say.
type encoder interface {
	encode(units string) (ids []int64, marks []rune)
	scales() vitsScales
}

// loadVITS loads a VITS voice in parts; where the graph cannot be cut, or its
// parts are not what the whole is, as a whole.
func loadVITS(m *graph.Model, l layout, enc encoder, info Info, o Options) (Voice, error) {
	v, err := newVITS(m, l, enc, info, o)
	if err == nil {
		return v, nil
	}
	o.log().Info("voice is not run in parts", "family", info.Family, "why", err)
	w, wholeErr := newWhole(m, l, enc, info, o)
	if wholeErr != nil {
		return nil, fmt.Errorf("%w (and not in parts: %w)", wholeErr, err)
	}
	return w, nil
}
