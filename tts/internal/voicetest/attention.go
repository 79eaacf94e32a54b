package voicetest

import "repartee/tts/onnx/graph"

// Attention is a layer of a text encoder as exports of VITS spell it out: ids,
// int64[1, L], and lengths, int64[1], become y, float[1, width, L], by attention
// with relative positions in a window to each side, a normalised sum and a padded
// convolution, all under a mask made of lengths.
func Attention(width, window int64) *graph.Model {
	g := newNet()
	ids, lengths := g.input("ids", graph.Int64, 1, -1), g.input("lengths", graph.Int64, 1)
	add := func(a, b string) string { return g.op("Add", []string{a, b}) }
	mul := func(a, b string) string { return g.op("Mul", []string{a, b}) }
	join := func(parts ...string) string { return g.op("Concat", parts, graph.IntAttr("axis", 0)) }
	flip := func(in string) string { return g.op("Transpose", []string{in}, graph.IntsAttr("perm", 0, 1, 3, 2)) }
	shaped := func(in string, dims ...string) string { return g.op("Reshape", []string{in, join(dims...)}) }
	heads := int64(2)
	d := width / heads

	x := g.transpose(g.op("Gather", []string{g.random(1, Symbols, width), ids})) // [1, C, L]
	shape := g.op("Shape", []string{ids})
	l := g.op("Gather", []string{shape, g.ints(1)})
	scalar := func(v int64) string {
		name := g.name("const")
		g.m.AddWeight(graph.Ints(name, nil, []int64{v}))
		return name
	}
	steps := g.op("Range", []string{scalar(0), g.op("Squeeze", []string{l}), scalar(1)})
	less := g.op("Less", []string{g.op("Unsqueeze", []string{steps, g.ints(0)}), g.op("Unsqueeze", []string{lengths, g.ints(1)})})
	mask := g.to(graph.Float32, g.op("Unsqueeze", []string{less, g.ints(1)})) // [1, 1, L]
	both := mul(g.op("Unsqueeze", []string{mask, g.ints(2)}), g.op("Unsqueeze", []string{mask, g.ints(-1)}))
	x = mul(x, mask)

	split := func(in string) string { return shaped(in, g.ints(1, heads, d), l) } // [1, h, d, L]
	q := g.op("Div", []string{flip(split(g.scaledConv(x, width, width, 1))), g.floats(nil, 1.4)})
	k, v := split(g.scaledConv(x, width, width, 1)), flip(split(g.scaledConv(x, width, width, 1)))
	scores := g.op("MatMul", []string{q, k})
	last := add(l, g.ints(-1))
	double := add(l, last) // 2L-1
	embedding := func() string {
		e := g.random(1, 1, 2*window+1, d)
		pad := add(l, g.ints(-window-1))
		e = g.op("Pad", []string{e, join(g.ints(0), pad, g.ints(0), g.ints(0), pad, g.ints(0))})
		return g.op("Unsqueeze", []string{g.op("Slice", []string{e, g.ints(0), double, g.ints(1)}), g.ints(0)})
	}
	one, zeros := g.ints(1), func(n int) string { return g.ints(make([]int64, n)...) }
	r := g.op("MatMul", []string{q, flip(embedding())}) // [1, h, L, 2L-1]
	r = shaped(g.op("Pad", []string{r, join(zeros(7), one)}), g.ints(1, heads), mul(l, add(l, l)))
	r = shaped(g.op("Pad", []string{r, join(zeros(5), last)}), g.ints(1, heads), add(l, one), double)
	r = g.op("Slice", []string{g.op("Slice", []string{r, g.ints(0), l, g.ints(2)}), last, g.ints(1 << 40), g.ints(3)})
	scores = add(scores, r)
	scores = g.op("Where", []string{g.op("Equal", []string{both, g.floats(nil, 0)}), g.floats(nil, -1e4), scores})
	p := g.op("Softmax", []string{scores}, graph.IntAttr("axis", -1))
	b := shaped(g.op("Pad", []string{p, join(zeros(7), last)}), g.ints(1, heads), mul(l, double))
	b = shaped(g.op("Pad", []string{b, join(zeros(2), l, zeros(3))}), g.ints(1, heads), l, add(l, l))
	b = g.op("Slice", []string{b, g.ints(1), g.ints(1 << 40), g.ints(3)}) // [1, h, L, 2L-1]
	y := add(g.op("MatMul", []string{p, v}), g.op("MatMul", []string{b, embedding()}))
	x = add(x, shaped(flip(y), g.ints(1, width), l))

	t := g.transpose(x)
	c := g.op("Sub", []string{t, g.op("ReduceMean", []string{t}, graph.IntsAttr("axes", -1))})
	s := g.op("ReduceMean", []string{g.op("Pow", []string{c, g.floats(nil, 2)})}, graph.IntsAttr("axes", -1))
	t = g.op("Div", []string{c, g.op("Sqrt", []string{add(s, g.floats(nil, 1e-5))})})
	x = g.transpose(add(mul(t, g.random(1, width)), g.random(1, width)))
	padded := g.op("Pad", []string{mul(x, mask), g.ints(0, 0, 1, 0, 0, 1)})
	y = g.op("Conv", []string{padded, g.random(0.3, width, width, 3)}, graph.IntsAttr("kernel_shape", 3), graph.IntsAttr("strides", 1),
		graph.IntsAttr("dilations", 1), graph.IntsAttr("pads", 0, 0), graph.IntAttr("group", 1))
	g.output(mul(y, mask), "y", graph.Float32)
	return g.m
}
