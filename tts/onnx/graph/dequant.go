package graph

import (
	"encoding/binary"
	"math"
	"slices"
)

// Data types of quantised weights, as ONNX numbers them.
const (
	uint8Type = 2
	int8Type  = 3
)

// FloatConvs turns convolutions of dynamically quantised numbers back into
// float ones and says how many: GPUs have no kernel for the integer ones. A CPU
// with dot products of bytes is 1.1 to 1.2 times slower with float ones. A
// convolution in another form than the quantiser's usual one is left alone.
//
// The form: DynamicQuantizeLinear → ConvInteger → [Add bias] → Cast → Mul scale.
func (m *Model) FloatConvs() int {
	done := 0
	x := m.Index()
	drop := map[*Node]bool{}
	for _, n := range m.Nodes {
		if n.Op != "ConvInteger" {
			continue
		}
		c := m.integerConv(x, n)
		if c == nil {
			continue
		}
		w, ok := dequantised(c.weight, c.scale, c.zero, n.In[1]+"_float")
		if !ok {
			continue
		}
		m.AddWeight(w)
		*n = Node{Name: n.Name, Op: "Conv", In: []string{c.quantised.in(0), w.Name}, Out: []string{c.out}, Attrs: n.Attrs}
		if c.bias != "" {
			n.In = append(n.In, c.bias)
		}
		for _, d := range c.dropped {
			drop[d] = true
		}
		done++
	}
	if done == 0 {
		return 0
	}
	m.Nodes = slices.DeleteFunc(m.Nodes, func(n *Node) bool { return drop[n] })
	m.prune()
	return done
}

// integerConv is a convolution of quantised numbers and what surrounds it.
type integerConv struct {
	quantised *Node // DynamicQuantizeLinear
	weight    Tensor
	zero      Tensor // of the weight; without a name: none
	scale     Tensor // of the weight
	scales    string // of input and weight together
	bias      string // "" = none
	out       string // the tensor that comes of it all
	dropped   []*Node
}

// integerConv recognises the quantiser's usual form; nil when n has another.
func (m *Model) integerConv(x *Index, n *Node) *integerConv {
	if len(n.In) < 3 || n.out(0) == "" {
		return nil
	}
	c := &integerConv{quantised: x.Maker(n.In[0])}
	var ok bool
	if c.weight, ok = m.Weight(n.In[1]); !ok || c.quantised == nil || c.quantised.Op != "DynamicQuantizeLinear" {
		return nil
	}
	only := func(tensor string) *Node {
		if u := x.Users(tensor); len(u) == 1 {
			c.dropped = append(c.dropped, u[0])
			return u[0]
		}
		return nil
	}
	next := only(n.out(0))
	if next != nil && next.Op == "Add" {
		if c.bias = m.floatBias(x, next.Other(n.out(0))); c.bias == "" {
			return nil
		}
		next = only(next.out(0))
	}
	if next == nil || next.Op != "Cast" {
		return nil
	}
	mul := only(next.out(0))
	if mul == nil || mul.Op != "Mul" || mul.out(0) == "" {
		return nil
	}
	c.scales, c.out = mul.Other(next.out(0)), mul.out(0)
	scales := x.Maker(c.scales)
	if scales == nil || scales.Op != "Mul" || !slices.Contains(scales.In, c.quantised.out(1)) {
		return nil
	}
	if c.scale, ok = m.Weight(scales.Other(c.quantised.out(1))); !ok {
		return nil
	}
	if len(n.In) > 3 && n.In[3] != "" {
		if c.zero, ok = m.Weight(n.In[3]); !ok {
			return nil
		}
	}
	return c
}

// floatBias goes back from a bias that was divided by the scales to the
// initialiser it was made of, and gives it one dimension.
func (m *Model) floatBias(x *Index, tensor string) string {
	for range 6 {
		if b, ok := m.Weight(tensor); ok {
			count := int64(1)
			for _, d := range b.Dims() {
				count *= d
			}
			if b.Type() != Float32 {
				return ""
			}
			flat := b.Reshaped(tensor+"_flat", []int64{count})
			m.AddWeight(flat)
			return flat.Name
		}
		n := x.Maker(tensor)
		if n == nil {
			return ""
		}
		switch n.Op {
		case "Cast", "Floor", "Round", "Reshape", "Unsqueeze", "Div":
			tensor = n.in(0)
		default:
			return ""
		}
	}
	return ""
}

// dequantised is (w − zero) · scale as floats; scale and zero have one value or
// one for each output channel.
func dequantised(w, scale, zero Tensor, name string) (Tensor, bool) {
	scales, ok := scale.floats()
	data, dims := w.data(), w.Dims()
	count := 1
	for _, d := range dims {
		count *= int(d)
	}
	kind := w.Type()
	if !ok || len(dims) == 0 || len(data) != count || count == 0 || kind != uint8Type && kind != int8Type {
		return Tensor{}, false
	}
	channels := int(dims[0])
	zeros := zero.data()
	if len(zeros) == 0 {
		zeros = []byte{0}
	}
	if len(scales) != 1 && len(scales) != channels || len(zeros) != 1 && len(zeros) != channels {
		return Tensor{}, false
	}
	number := func(b byte) float32 {
		if kind == int8Type {
			return float32(int8(b))
		}
		return float32(b)
	}
	out := make([]float32, count)
	per := count / channels
	for i, b := range data {
		c := i / per
		out[i] = (number(b) - number(zeros[min(c, len(zeros)-1)])) * scales[min(c, len(scales)-1)]
	}
	return Floats(name, dims, out), true
}

// Type is the tensor's element type.
func (t Tensor) Type() int {
	kind := 0
	_ = fields(t.raw, func(f field) error {
		if f.num == tensorType {
			kind = int(f.n)
		}
		return nil
	})
	return kind
}

// data is the content of a tensor kept as raw bytes; int32_data, in which small
// types may lie too, is read as well.
func (t Tensor) data() []byte {
	var raw, ints []byte
	_ = fields(t.raw, func(f field) error {
		switch f.num {
		case tensorRaw:
			raw = f.bytes
		case 5:
			for _, v := range unpack(f) {
				ints = append(ints, byte(v))
			}
		}
		return nil
	})
	if raw == nil {
		return ints
	}
	return raw
}

func (t Tensor) floats() ([]float32, bool) {
	if t.Type() != Float32 {
		return nil, false
	}
	var out []float32
	_ = fields(t.raw, func(f field) error {
		switch {
		case f.num == tensorRaw || f.num == 4 && f.bytes != nil:
			for b := f.bytes; len(b) >= 4; b = b[4:] {
				out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(b)))
			}
		case f.num == 4:
			out = append(out, math.Float32frombits(uint32(f.n)))
		}
		return nil
	})
	return out, len(out) > 0
}

// prune drops nodes and weights that no output needs.
func (m *Model) prune() {
	want := make([]string, len(m.Outputs))
	for i, v := range m.Outputs {
		want[i] = v.Name
	}
	keep := m.Index().Before(want)
	used := map[string]bool{}
	m.Nodes = slices.DeleteFunc(m.Nodes, func(n *Node) bool { return !keep[n] })
	for _, n := range m.Nodes {
		for _, in := range n.In {
			used[in] = true
		}
	}
	m.order = slices.DeleteFunc(m.order, func(name string) bool {
		if !used[name] {
			delete(m.weights, name)
		}
		return !used[name]
	})
}
