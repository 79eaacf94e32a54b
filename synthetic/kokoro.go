package synthetic

import "repartee/tts/onnx/graph"

// kokoroSizes are the widths of Kokoro: an ALBERT over phonemes, predictors of
// durations and pitch by LSTMs, and a decoder of style-modulated residual blocks
// that ends in an inverse Fourier transform (StyleTTS 2 and iSTFTNet).
type kokoroSizes struct {
	embedding, bert, heads, feed, layers int64
	hidden                               int64
	decoder, blocks                      int64
	generator                            int64
}

const styleHalf = 128

func kokoroSize(thin bool) kokoroSizes {
	if thin {
		return kokoroSizes{32, 96, 4, 128, 1, 64, 96, 1, 64}
	}
	return kokoroSizes{128, 768, 12, 2048, 12, 512, 1024, 3, 512}
}

// styled brings each channel of [1, width, T] to mean 0 and deviation 1, then to
// what the style says.
func (g *network) styled(in, style string, width int64) string {
	x := g.op("InstanceNormalization", []string{in, g.all(1, width), g.all(0, width)})
	h := g.shape(g.linear(style, styleHalf, 2*width), 1, 2*width, 1)
	gain := g.add(g.op("Slice", []string{h, g.ints(0), g.ints(width), g.ints(1)}), g.number(1))
	return g.add(g.mul(x, gain), g.op("Slice", []string{h, g.ints(width), g.ints(2 * width), g.ints(1)}))
}

// residual is a style-modulated residual block of two convolutions.
func (g *network) residual(in, style string, from, to int64) string {
	h := g.conv(g.op("LeakyRelu", []string{g.styled(in, style, from)}), from, to, 3, 1)
	h = g.conv(g.op("LeakyRelu", []string{g.styled(h, style, to)}), to, to, 3, 1)
	if from != to {
		in = g.conv(in, from, to, 1, 1)
	}
	return g.mul(g.add(h, in), g.number(0.7071))
}

func (g *network) kokoro(s kokoroSizes) {
	ids := g.input("tokens", graph.Int64, 1, -1)
	whole := g.input("style", graph.Float32, 1, 256)
	speed := g.input("speed", graph.Float32, 1)
	voice := g.op("Slice", []string{whole, g.ints(0), g.ints(styleHalf), g.ints(1)})
	prosody := g.op("Slice", []string{whole, g.ints(styleHalf), g.ints(2 * styleHalf), g.ints(1)})
	flip := func(t string) string { return g.turn(t, 0, 2, 1) }
	const symbols = 178

	x := g.linear(g.op("Gather", []string{g.normal(0.5, symbols, s.embedding), ids}), s.embedding, s.bert)
	g.again(s.layers, func() { g.albert(&x, s) }) // ALBERT's layers share their weights
	t := g.linear(x, s.bert, s.hidden)            // [1, L, H]

	// Durations.
	d := t
	for range 3 {
		wide := g.op("Concat", []string{d, g.op("Expand", []string{g.shape(prosody, 1, 1, styleHalf), g.like(d, styleHalf)})}, graph.IntAttr("axis", 2))
		d = flip(g.styled(flip(g.lstm(wide, s.hidden+styleHalf, s.hidden/2)), prosody, s.hidden))
	}
	d = g.op("Sigmoid", []string{g.linear(g.lstm(d, s.hidden, s.hidden/2), s.hidden, 50)})
	d = g.op("ReduceSum", []string{d, g.ints(2)}, graph.IntAttr("keepdims", 0)) // [1, L], about 25
	d = g.op("Clip", []string{g.op("Round", []string{g.op("Div", []string{g.mul(d, g.number(0.12)), speed})}), g.least(1)})
	path, _ := g.path(g.op("Unsqueeze", []string{d, g.ints(1)}))

	// Pitch and loudness, on frames.
	p := g.lstm(g.op("MatMul", []string{path, t}), s.hidden, s.hidden/2)
	curve := func() string {
		c := flip(p)
		for range 3 {
			c = g.residual(c, prosody, s.hidden, s.hidden)
		}
		return g.conv(c, s.hidden, 1, 1, 1)
	}
	f0, loud := curve(), curve()

	// The text once more, for the decoder.
	e := flip(g.op("Gather", []string{g.normal(0.5, symbols, s.hidden), ids}))
	for range 3 {
		e = g.op("LeakyRelu", []string{g.conv(e, s.hidden, s.hidden, 5, 1)})
		e = flip(g.norm(flip(e), s.hidden))
	}
	e = flip(g.op("MatMul", []string{path, g.lstm(flip(e), s.hidden, s.hidden/2)}))
	join := func(ts ...string) string { return g.op("Concat", ts, graph.IntAttr("axis", 1)) }
	y := g.residual(join(e, f0, loud), voice, s.hidden+2, s.decoder)
	for range s.blocks {
		y = g.residual(join(y, f0, loud, g.conv(e, s.hidden, 64, 1, 1)), voice, s.decoder+2+64, s.decoder)
	}
	y = g.residual(y, voice, s.decoder, s.generator)
	y = g.upsample(y, s.generator, s.generator, 4, 2)

	// The generator: 10 and 6 times longer, then 5 samples a step.
	c := s.generator
	for _, u := range [][2]int64{{20, 10}, {12, 6}} {
		y = g.upsample(g.op("LeakyRelu", []string{y}), c, c/2, u[0], u[1])
		c /= 2
		sum := ""
		for _, kernel := range []int64{3, 7, 11} {
			b := y
			for _, dilation := range []int64{1, 3, 5} {
				h := g.conv(g.snake(g.styled(b, voice, c)), c, c, kernel, dilation)
				b = g.add(b, g.conv(g.snake(g.styled(h, voice, c)), c, c, kernel, 1))
			}
			if sum != "" {
				b = g.add(sum, b)
			}
			sum = b
		}
		y = g.mul(sum, g.number(1.0/3))
	}
	y = g.conv(g.op("LeakyRelu", []string{y}), c, 22, 7, 1)
	size := g.op("Exp", []string{g.op("Tanh", []string{g.op("Slice", []string{y, g.ints(0), g.ints(11), g.ints(1)})})})
	phase := g.op("Sin", []string{g.op("Slice", []string{y, g.ints(11), g.ints(22), g.ints(1)})})
	wave := g.op("ConvTranspose", []string{join(g.mul(size, g.op("Cos", []string{phase})), g.mul(size, g.op("Sin", []string{phase}))), g.normal(0.02, 22, 1, 20)},
		graph.IntsAttr("kernel_shape", 20), graph.IntsAttr("strides", 5), graph.IntsAttr("pads", 7, 8), graph.IntsAttr("dilations", 1), graph.IntAttr("group", 1))
	wave = g.add(wave, g.mul(g.op("RandomNormalLike", []string{wave}), g.number(0.003)))
	g.output(g.shape(g.op("Tanh", []string{wave}), -1), "audio")
}

// albert is one layer: attention and a feed-forward.
func (g *network) albert(x *string, s kokoroSizes) {
	a := g.norm(g.add(*x, g.attention(*x, s.bert, s.heads)), s.bert)
	f := g.linear(a, s.bert, s.feed)
	f = g.linear(g.mul(f, g.op("Sigmoid", []string{g.mul(f, g.number(1.702))})), s.feed, s.bert)
	*x = g.norm(g.add(a, f), s.bert)
}

// snake is x + sin²(x).
func (g *network) snake(x string) string {
	s := g.op("Sin", []string{x})
	return g.add(x, g.mul(s, s))
}

// like is the shape [1, length of t, width].
func (g *network) like(t string, width int64) string {
	l := g.op("Slice", []string{g.op("Shape", []string{t}), g.ints(1), g.ints(2)})
	return g.op("Concat", []string{g.ints(1), l, g.ints(width)}, graph.IntAttr("axis", 0))
}

// least is a number without dimensions.
func (g *network) least(v float32) string {
	name := g.name("least")
	g.m.AddWeight(graph.Floats(name, nil, []float32{v}))
	return name
}
