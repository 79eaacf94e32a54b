package voicetest

import "repartee/tts/onnx/graph"

// Sizes of the small networks.
const (
	Symbols  = 180 // ids that they know
	channels = 6
	Hop      = 8 // samples a frame of the VITS ones
)

// VITSOptions says which export of VITS to make.
type VITSOptions struct {
	// Layout is piper, split or fixed, as package voice calls them.
	Layout string
	// Speakers, when more than one, gives the graph an input sid.
	Speakers int64
	// Uncuttable hides the structure by which the graph is cut.
	Uncuttable bool
}

// VITS is a network with the signature and the skeleton of VITS: durations
// rounded up, stretched means, noise, a convolutional flow, a vocoder.
func VITS(o VITSOptions) *graph.Model {
	g := newNet()
	var ids, noise, length, noiseW string
	switch o.Layout {
	case "piper":
		ids = g.input("input", graph.Int64, 1, -1)
		g.input("input_lengths", graph.Int64, 1)
		scales := g.input("scales", graph.Float32, 3)
		pick := func(i int64) string { return g.op("Gather", []string{scales, g.ints(i)}) }
		noise, length, noiseW = pick(0), pick(1), pick(2)
	case "split":
		ids = g.input("x", graph.Int64, 1, -1)
		g.input("x_length", graph.Int64, 1)
		noise, length, noiseW = g.input("noise_scale", graph.Float32, 1), g.input("length_scale", graph.Float32, 1), g.input("noise_scale_w", graph.Float32, 1)
	default:
		ids = g.input("input_ids", graph.Int64, 1, -1)
		g.input("attention_mask", graph.Int64, 1, -1)
		noise, length, noiseW = g.floats([]int64{1}, 0.667), g.floats([]int64{1}, 1), g.floats([]int64{1}, 0.8)
	}
	switch o.Layout { // every input is read by something
	case "piper", "split":
		l := g.m.Inputs[1].Name
		ids = g.op("Add", []string{ids, g.op("Sub", []string{l, l})})
	default:
		ids = g.op("Mul", []string{ids, "attention_mask"})
	}
	x := g.transpose(g.op("Gather", []string{g.random(1, Symbols, channels), ids})) // [1, C, L]
	speaker := ""
	if o.Speakers > 1 {
		g.input("sid", graph.Int64, 1)
		speaker = g.op("Unsqueeze", []string{g.op("Gather", []string{g.random(1, o.Speakers, channels), "sid"}), g.ints(2)}) // [1, C, 1]
		x = g.op("Add", []string{x, speaker})
	}
	logw := g.conv(x, channels, 1, 1)
	e := g.op("RandomNormalLike", []string{g.op("Concat", []string{logw, logw}, graph.IntAttr("axis", 1))})
	e = g.op("Mul", []string{g.op("Mul", []string{e, noiseW}), g.floats([]int64{1}, 0.1)})
	logw = g.op("Add", []string{logw, g.op("ReduceMean", []string{e}, graph.IntsAttr("axes", 1))})
	w := g.op("Add", []string{g.op("Abs", []string{logw}), g.floats([]int64{1}, 1.5)})
	w = g.op("Ceil", []string{g.op("Mul", []string{w, length})})
	path, frames := g.path(w)
	mean, logs := g.conv(x, channels, channels, 1), g.op("Mul", []string{g.conv(x, channels, channels, 1), g.floats([]int64{1}, 0.1)})
	stretch := func(t string) string {
		s := g.transpose(g.op("MatMul", []string{path, g.transpose(t)}))
		if o.Uncuttable {
			s = g.op("Identity", []string{s})
		}
		return s
	}
	m, l := stretch(mean), stretch(logs)
	n := g.op("Mul", []string{g.op("RandomNormalLike", []string{m}), g.op("Exp", []string{l})})
	z := g.op("Add", []string{m, g.op("Mul", []string{n, noise})})
	shape := g.op("Concat", []string{g.ints(1, 1), g.op("Unsqueeze", []string{frames, g.ints(0)})}, graph.IntAttr("axis", 0))
	mask := g.op("ConstantOfShape", []string{shape}, graph.TensorAttr("value", graph.Floats("", []int64{1}, []float32{1})))
	f := g.op("Mul", []string{g.conv(z, channels, channels, 3), mask})
	if speaker != "" {
		f = g.op("Add", []string{f, speaker})
	}
	f = g.op("Mul", []string{g.op("Tanh", []string{f}), mask})
	v := g.op("LeakyRelu", []string{g.conv(f, channels, channels, 7)})
	v = g.op("ConvTranspose", []string{v, g.random(0.4, channels, channels, 2*Hop)}, graph.IntsAttr("kernel_shape", 2*Hop),
		graph.IntsAttr("strides", Hop), graph.IntsAttr("pads", Hop/2, Hop/2), graph.IntsAttr("dilations", 1), graph.IntAttr("group", 1))
	y := g.op("Tanh", []string{g.conv(g.op("LeakyRelu", []string{v}), channels, 1, 3)})
	switch o.Layout {
	case "piper":
		g.output(g.op("Unsqueeze", []string{y, g.ints(1)}), "output", graph.Float32)
	case "split":
		g.output(y, "y", graph.Float32)
	default:
		g.output(g.op("Squeeze", []string{y, g.ints(1)}), "waveform", graph.Float32)
	}
	return g.m
}

// StyledOptions says which export of the StyleTTS 2 kind to make.
type StyledOptions struct {
	Tokens string // name of the input: tokens or input_ids
	Half   bool   // style and samples are float16
	Whole  bool   // the speed is an int32
	Kitten bool   // outputs waveform and duration
}

// Styled is a network with the signature of Kokoro or Kitten: each phoneme is
// held for its rounded duration, 600 samples a frame.
func Styled(o StyledOptions) *graph.Model {
	g := newNet()
	kind := graph.Float32
	if o.Half {
		kind = graph.Float16
	}
	ids := g.input(o.Tokens, graph.Int64, 1, -1)
	style := g.input("style", kind, 1, 256)
	if o.Half {
		style = g.to(graph.Float32, style)
	}
	speed := "speed"
	if o.Whole {
		speed = g.to(graph.Float32, g.input("speed", graph.Int32, 1))
	} else {
		g.input("speed", graph.Float32, 1)
	}
	x := g.op("Gather", []string{g.random(0.3, Symbols, channels), ids}) // [1, L, C]
	d := g.op("Add", []string{g.op("ReduceSum", []string{g.op("Abs", []string{x}), g.ints(2)}, graph.IntAttr("keepdims", 0)), g.floats([]int64{1}, 3)})
	d = g.op("Clip", []string{g.op("Round", []string{g.op("Div", []string{d, speed})}), g.floats(nil, 1)})
	path, _ := g.path(g.op("Unsqueeze", []string{d, g.ints(1)}))
	y := g.op("MatMul", []string{path, x})                                                          // [1, T, C]
	y = g.op("MatMul", []string{y, g.random(0.3, channels, 600)})                                   // [1, T, 600]
	y = g.op("Mul", []string{y, g.op("ReduceMean", []string{style}, graph.IntAttr("keepdims", 0))}) // the style is the loudness
	y = g.op("Add", []string{y, g.op("Mul", []string{g.op("RandomUniformLike", []string{y}), g.floats([]int64{1}, 0.01)})})
	y = g.op("Reshape", []string{y, g.ints(-1)})
	name := "audio"
	if o.Kitten || o.Tokens == "input_ids" {
		name = "waveform"
	}
	if o.Half {
		y = g.to(graph.Float16, y)
	}
	g.output(y, name, kind)
	if o.Kitten {
		g.output(g.to(graph.Int64, d), "duration", graph.Int64)
	}
	return g.m
}

// Supertonic is the four networks by their file names, with the signatures of
// Supertonic for latents of the given width.
func Supertonic(latent int64, chunk int64) map[string]*graph.Model {
	text := func(g *net) string {
		ids, mask := g.input("text_ids", graph.Int64, 1, -1), g.input("text_mask", graph.Float32, 1, 1, -1)
		x := g.transpose(g.op("Gather", []string{g.random(1, Symbols, channels), ids})) // [1, C, L]
		return g.op("Mul", []string{x, mask})
	}
	mean := func(g *net, in string) string {
		return g.op("ReduceMean", []string{in}, graph.IntAttr("keepdims", 0))
	}
	out := map[string]*graph.Model{}

	g := newNet()
	d := g.op("ReduceSum", []string{"text_mask"}, graph.IntAttr("keepdims", 0))
	loud := mean(g, g.input("style_dp", graph.Float32, 1, 8, 16))
	d = g.op("Add", []string{g.op("Mul", []string{d, g.floats(nil, 0.05)}), g.op("Mul", []string{loud, g.floats(nil, 0.01)})})
	d = g.op("Add", []string{d, g.op("Mul", []string{mean(g, text(g)), g.floats(nil, 0.001)})})
	g.output(g.op("Reshape", []string{d, g.ints(1)}), "duration", graph.Float32)
	out["duration_predictor.onnx"] = g.m

	g = newNet()
	x := text(g)
	g.output(g.op("Mul", []string{x, mean(g, g.input("style_ttl", graph.Float32, 1, 50, 256))}), "text_emb", graph.Float32)
	out["text_encoder.onnx"] = g.m

	g = newNet()
	noisy := g.input("noisy_latent", graph.Float32, 1, latent, -1)
	push := mean(g, g.op("Mul", []string{g.input("text_emb", graph.Float32, 1, channels, -1), g.input("text_mask", graph.Float32, 1, 1, -1)}))
	push = g.op("Add", []string{push, mean(g, g.input("style_ttl", graph.Float32, 1, 50, 256))})
	step := g.op("Div", []string{push, g.input("total_step", graph.Float32, 1)})
	step = g.op("Add", []string{step, g.op("Mul", []string{g.input("current_step", graph.Float32, 1), g.floats([]int64{1}, 0.001)})})
	g.output(g.op("Mul", []string{g.op("Add", []string{noisy, step}), g.input("latent_mask", graph.Float32, 1, 1, -1)}), "denoised_latent", graph.Float32)
	out["vector_estimator.onnx"] = g.m

	g = newNet()
	l := g.transpose(g.input("latent", graph.Float32, 1, latent, -1))
	wav := g.op("Tanh", []string{g.op("MatMul", []string{l, g.random(0.1, latent, chunk)})})
	g.output(g.op("Reshape", []string{wav, g.ints(1, -1)}), "wav_tts", graph.Float32)
	out["vocoder.onnx"] = g.m
	return out
}
