package synthetic

import (
	"fmt"
	"math"
	"math/rand/v2"

	"repartee/tts/onnx/graph"
)

// opset is the operator set of the graphs made here.
const opset = 17

// network puts an ONNX graph together, one operation after the other; tensors go
// by the names that its methods return.
type network struct {
	m       *graph.Model
	random  *rand.Rand
	n       int
	weights int64    // numbers drawn
	tape    []string // weights of a part that is built again, in order; see again
	next    int      // of the tape
	mode    int      // recording or replaying
}

// What again does.
const (
	plain = iota
	recording
	replaying
)

// again builds a part several times over the same weights.
func (g *network) again(times int64, part func()) {
	g.tape, g.mode = nil, recording
	part()
	for range times - 1 {
		g.mode, g.next = replaying, 0
		part()
	}
	g.tape, g.mode = nil, plain
}

// kept gives the weight that make makes, or the one that it made before.
func (g *network) kept(make func() string) string {
	if g.mode == replaying {
		g.next++
		return g.tape[g.next-1]
	}
	name := make()
	if g.mode == recording {
		g.tape = append(g.tape, name)
	}
	return name
}

func newNetwork(seed uint64) *network {
	return &network{m: graph.New(opset), random: rand.New(rand.NewPCG(seed, 11))}
}

func (g *network) name(op string) string {
	g.n++
	return fmt.Sprintf("%s_%d", op, g.n)
}

func (g *network) input(name string, kind int, dims ...int64) string {
	g.m.Inputs = append(g.m.Inputs, graph.Value{Name: name, Type: kind, Dims: dims})
	return name
}

func (g *network) output(tensor, name string) {
	g.m.Nodes = append(g.m.Nodes, &graph.Node{Name: name, Op: "Identity", In: []string{tensor}, Out: []string{name}})
	g.m.Outputs = append(g.m.Outputs, graph.Value{Name: name, Type: graph.Float32})
}

// op adds an operation with one output.
func (g *network) op(op string, in []string, attrs ...graph.Attr) string {
	out := g.name(op)
	g.m.Nodes = append(g.m.Nodes, &graph.Node{Name: out, Op: op, In: in, Out: []string{out}, Attrs: attrs})
	return out
}

func (g *network) add(a, b string) string { return g.op("Add", []string{a, b}) }
func (g *network) mul(a, b string) string { return g.op("Mul", []string{a, b}) }
func (g *network) to(kind int, in string) string {
	return g.op("Cast", []string{in}, graph.IntAttr("to", int64(kind)))
}
func (g *network) turn(in string, perm ...int64) string {
	return g.op("Transpose", []string{in}, graph.IntsAttr("perm", perm...))
}
func (g *network) shape(in string, dims ...int64) string {
	return g.op("Reshape", []string{in, g.ints(dims...)})
}

// number is a constant of one element.
func (g *network) number(v float32) string {
	name := g.name("number")
	g.m.AddWeight(graph.Floats(name, []int64{1}, []float32{v}))
	return name
}

func (g *network) ints(v ...int64) string {
	name := g.name("ints")
	g.m.AddWeight(graph.Ints(name, []int64{int64(len(v))}, v))
	return name
}

// scalar is a whole number without dimensions.
func (g *network) scalar(v int64) string {
	name := g.name("scalar")
	g.m.AddWeight(graph.Ints(name, nil, []int64{v}))
	return name
}

// pool of normal numbers, from which weights are taken at random places.
const poolNumbers = 1 << 16

// normal is a constant of normal numbers with the deviation scale.
func (g *network) normal(scale float64, dims ...int64) string {
	return g.kept(func() string { return g.draw(scale, dims...) })
}

func (g *network) draw(scale float64, dims ...int64) string {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	g.weights += n
	v := make([]float32, n)
	pool := make([]float32, min(n, poolNumbers))
	for i := range pool {
		pool[i] = float32(g.random.NormFloat64() * scale)
	}
	for at := 0; at < len(v); {
		from := 0
		if at > 0 {
			from = g.random.IntN(len(pool))
		}
		at += copy(v[at:], pool[from:])
	}
	name := g.name("weight")
	g.m.AddWeight(graph.Floats(name, dims, v))
	return name
}

// linear maps the last dimension; the result is about as loud as its input.
func (g *network) linear(in string, from, to int64) string {
	return g.add(g.op("MatMul", []string{in, g.normal(1/math.Sqrt(float64(from)), from, to)}), g.normal(0.01, to))
}

// conv keeps the length of [1, from, T].
func (g *network) conv(in string, from, to, kernel, dilation int64) string {
	pad := dilation * (kernel - 1) / 2
	w := g.normal(1/math.Sqrt(float64(from*kernel)), to, from, kernel)
	return g.op("Conv", []string{in, w, g.normal(0.01, to)}, graph.IntsAttr("kernel_shape", kernel), graph.IntsAttr("strides", 1),
		graph.IntsAttr("dilations", dilation), graph.IntsAttr("pads", pad, pad), graph.IntAttr("group", 1))
}

// upsample makes [1, from, T] into [1, to, T·stride].
func (g *network) upsample(in string, from, to, kernel, stride int64) string {
	pad := (kernel - stride) / 2
	w := g.normal(1/math.Sqrt(float64(from*kernel/stride)), from, to, kernel)
	return g.op("ConvTranspose", []string{in, w, g.normal(0.01, to)}, graph.IntsAttr("kernel_shape", kernel), graph.IntsAttr("strides", stride),
		graph.IntsAttr("pads", pad, pad), graph.IntsAttr("dilations", 1), graph.IntAttr("group", 1))
}

// norm brings the last dimension to mean 0 and deviation 1.
func (g *network) norm(in string, width int64) string {
	return g.op("LayerNormalization", []string{in, g.all(1, width), g.all(0, width)}, graph.IntAttr("axis", -1))
}

// all is a weight of one value.
func (g *network) all(value float32, width int64) string {
	return g.kept(func() string {
		v := make([]float32, width)
		for i := range v {
			v[i] = value
		}
		name := g.name("weight")
		g.m.AddWeight(graph.Floats(name, []int64{width}, v))
		g.weights += width
		return name
	})
}

// attention is a block of self-attention over [1, L, width].
func (g *network) attention(in string, width, heads int64) string {
	split := func(t string) string { return g.shape(t, 1, -1, heads, width/heads) }
	q := g.turn(split(g.linear(in, width, width)), 0, 2, 1, 3)
	k := g.turn(split(g.linear(in, width, width)), 0, 2, 3, 1)
	v := g.turn(split(g.linear(in, width, width)), 0, 2, 1, 3)
	s := g.mul(g.op("MatMul", []string{q, k}), g.number(float32(1/math.Sqrt(float64(width/heads)))))
	o := g.op("MatMul", []string{g.op("Softmax", []string{s}, graph.IntAttr("axis", -1)), v})
	return g.linear(g.shape(g.turn(o, 0, 2, 1, 3), 1, -1, width), width, width)
}

// lstm reads [1, L, in] both ways and gives [1, L, 2·hidden].
func (g *network) lstm(x string, in, hidden int64) string {
	w, r, b := g.normal(1/math.Sqrt(float64(in)), 2, 4*hidden, in), g.normal(1/math.Sqrt(float64(hidden)), 2, 4*hidden, hidden), g.normal(0.01, 2, 8*hidden)
	y := g.op("LSTM", []string{g.turn(x, 1, 0, 2), w, r, b}, graph.IntAttr("hidden_size", hidden), graph.TextAttr("direction", "bidirectional")) // [L, 2, 1, H]
	return g.shape(g.turn(y, 2, 0, 1, 3), 1, -1, 2*hidden)
}

// path is 1 where a frame belongs to a unit: durations float[1, 1, L] give
// float[1, T, L], and T as an int64 without dimensions.
func (g *network) path(durations string) (string, string) {
	total := g.op("Squeeze", []string{g.to(graph.Int64, g.op("ReduceSum", []string{durations}, graph.IntAttr("keepdims", 0)))})
	frames := g.to(graph.Float32, g.op("Range", []string{g.scalar(0), total, g.scalar(1)}))
	t := g.op("Unsqueeze", []string{frames, g.ints(0, 2)})
	end := g.op("CumSum", []string{durations, g.scalar(2)})
	begin := g.op("Sub", []string{end, durations})
	in := g.op("And", []string{g.op("Less", []string{t, end}), g.op("Not", []string{g.op("Less", []string{t, begin})})})
	return g.to(graph.Float32, in), total
}
