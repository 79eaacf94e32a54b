package voicetest

import "repartee/tts/onnx/graph"

// Conv describes a convolution along one axis.
type Conv struct {
	In, Out, Taps, Dilation, Stride int64
	Pad                             [2]int64
	Bias                            bool
}

// IntegerConv is a convolution as the usual quantiser writes it: the input x,
// float[1, In, T], is quantised when the graph runs, weights are unsigned bytes.
func IntegerConv(c Conv) *graph.Model {
	g := newNet()
	x := g.input("x", graph.Float32, 1, c.In, -1)
	weights := make([]byte, c.Out*c.In*c.Taps)
	for i := range weights {
		weights[i] = byte(g.rnd.IntN(256))
	}
	g.m.AddWeight(graph.Bytes("w", []int64{c.Out, c.In, c.Taps}, weights))
	g.m.AddWeight(graph.Bytes("zero", nil, []byte{131}))
	scale := g.floats(nil, 0.01)
	g.m.Nodes = append(g.m.Nodes, &graph.Node{Name: "q", Op: "DynamicQuantizeLinear", In: []string{x}, Out: []string{"xq", "xs", "xz"}})
	scales := g.op("Mul", []string{"xs", scale})
	y := g.op("ConvInteger", []string{"xq", "w", "xz", "zero"}, graph.IntsAttr("kernel_shape", c.Taps), graph.IntsAttr("strides", c.Stride),
		graph.IntsAttr("dilations", c.Dilation), graph.IntsAttr("pads", c.Pad[:]...), graph.IntAttr("group", 1))
	if c.Bias {
		b := g.op("Div", []string{g.random(1, 1, c.Out, 1), scales})
		b = g.op("Cast", []string{g.op("Floor", []string{b})}, graph.IntAttr("to", graph.Int32))
		y = g.op("Add", []string{y, b})
	}
	y = g.op("Mul", []string{g.to(graph.Float32, y), scales})
	g.output(y, "y", graph.Float32)
	return g.m
}
