package voicetest

import "repartee/tts/onnx/graph"

// Vocoder is a chain in the manner of HiFi-GAN: x, float[1, in, T], becomes y,
// float[1, 1, 1, 16·T], by two upsamplings, the first to wide channels, with
// residual blocks behind each and a factor mask, float[1, 1, T], from outside.
func Vocoder(in, wide int64) *graph.Model {
	g := newNet()
	x, mask := g.input("x", graph.Float32, 1, in, -1), g.input("mask", graph.Float32, 1, 1, -1)
	y := g.conv(x, in, 2*wide, 7)
	y = g.op("Mul", []string{y, mask})
	c := 2 * wide
	for range 2 {
		y = g.op("LeakyRelu", []string{y}, graph.FloatAttr("alpha", 0.1))
		y = g.op("ConvTranspose", []string{y, g.random(0.1, c, c/2, 8), g.random(1, c/2)}, graph.IntsAttr("kernel_shape", 8),
			graph.IntsAttr("strides", 4), graph.IntsAttr("pads", 2, 2), graph.IntsAttr("dilations", 1), graph.IntAttr("group", 1))
		c /= 2
		var sum string
		for _, taps := range []int64{3, 5} {
			r := y
			for range 2 {
				a := g.op("LeakyRelu", []string{r}, graph.FloatAttr("alpha", 0.1))
				r = g.op("Add", []string{g.scaledConv(a, c, c, taps), r})
			}
			if sum == "" {
				sum = r
			} else {
				sum = g.op("Add", []string{sum, r})
			}
		}
		y = g.op("Div", []string{sum, g.floats(nil, 2)})
	}
	gate := g.op("Mul", []string{g.op("Tanh", []string{g.scaledConv(y, c, c, 3)}), g.op("Sigmoid", []string{g.scaledConv(y, c, c, 3)})})
	y = g.op("Tanh", []string{g.scaledConv(g.op("LeakyRelu", []string{gate}), c, 1, 7)})
	out := g.op("Unsqueeze", []string{y, g.ints(1)})
	g.m.Outputs = append(g.m.Outputs, graph.Value{Name: out, Type: graph.Float32})
	return g.m
}

// scaledConv is conv with a bias and weights that keep the size of the numbers.
func (g *net) scaledConv(in string, from, to, kernel int64) string {
	y := g.conv(in, from, to, kernel)
	n := g.m.Nodes[len(g.m.Nodes)-1]
	n.In[1] = g.random(0.5/float64(from), to, from, kernel)
	if to > 1 {
		n.In = append(n.In, g.random(0.1, to))
	}
	return y
}
