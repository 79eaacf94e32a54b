package voicetest

import (
	"fmt"
	"math/rand/v2"

	"repartee/tts/onnx/graph"
)

// Opset of the graphs made here.
const Opset = 17

// net puts a small graph together, one operation after the other; tensors go
// by the names that its methods return. Weights are drawn from a fixed seed.
type net struct {
	m   *graph.Model
	rnd *rand.Rand
	n   int
}

func newNet() *net {
	return &net{m: graph.New(Opset), rnd: rand.New(rand.NewPCG(1, 2))}
}

func (g *net) name(op string) string {
	g.n++
	return fmt.Sprintf("%s_%d", op, g.n)
}

func (g *net) input(name string, kind int, dims ...int64) string {
	g.m.Inputs = append(g.m.Inputs, graph.Value{Name: name, Type: kind, Dims: dims})
	return name
}

func (g *net) output(tensor, name string, kind int) {
	g.m.Nodes = append(g.m.Nodes, &graph.Node{Name: name, Op: "Identity", In: []string{tensor}, Out: []string{name}})
	g.m.Outputs = append(g.m.Outputs, graph.Value{Name: name, Type: kind})
}

// op adds an operation with one output.
func (g *net) op(op string, in []string, attrs ...graph.Attr) string {
	out := g.name(op)
	g.m.Nodes = append(g.m.Nodes, &graph.Node{Name: out, Op: op, In: in, Out: []string{out}, Attrs: attrs})
	return out
}

func (g *net) to(kind int, in string) string {
	return g.op("Cast", []string{in}, graph.IntAttr("to", int64(kind)))
}

func (g *net) transpose(in string) string {
	return g.op("Transpose", []string{in}, graph.IntsAttr("perm", 0, 2, 1))
}

// floats and ints are constants.
func (g *net) floats(dims []int64, v ...float32) string {
	name := g.name("const")
	g.m.AddWeight(graph.Floats(name, dims, v))
	return name
}

func (g *net) ints(v ...int64) string {
	name := g.name("const")
	g.m.AddWeight(graph.Ints(name, []int64{int64(len(v))}, v))
	return name
}

// random is a constant of numbers around 0.
func (g *net) random(scale float64, dims ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(g.rnd.NormFloat64() * scale)
	}
	return g.floats(dims, v...)
}

// conv is a convolution that keeps the length.
func (g *net) conv(in string, from, to, kernel int64) string {
	w := g.random(0.4, to, from, kernel)
	return g.op("Conv", []string{in, w}, graph.IntsAttr("kernel_shape", kernel), graph.IntsAttr("strides", 1),
		graph.IntsAttr("dilations", 1), graph.IntsAttr("pads", kernel/2, kernel/2), graph.IntAttr("group", 1))
}

// path is 1 where a frame belongs to a unit: durations float[1, 1, L] give
// float[1, T, L]. Its second result is the number of frames, int64 without
// dimensions.
func (g *net) path(durations string) (string, string) {
	total := g.op("Squeeze", []string{g.to(graph.Int64, g.op("ReduceSum", []string{durations}, graph.IntAttr("keepdims", 0)))})
	zero, one := g.name("const"), g.name("const")
	g.m.AddWeight(graph.Ints(zero, nil, []int64{0}))
	g.m.AddWeight(graph.Ints(one, nil, []int64{1}))
	frames := g.to(graph.Float32, g.op("Range", []string{zero, total, one}))
	t := g.op("Unsqueeze", []string{frames, g.ints(0, 2)}) // [1, T, 1]
	axis := g.name("const")
	g.m.AddWeight(graph.Ints(axis, nil, []int64{2}))
	end := g.op("CumSum", []string{durations, axis})
	begin := g.op("Sub", []string{end, durations})
	in := g.op("And", []string{g.op("Less", []string{t, end}), g.op("Not", []string{g.op("Less", []string{t, begin})})})
	return g.to(graph.Float32, in), total
}
