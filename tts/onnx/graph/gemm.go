package graph

import (
	"fmt"
	"slices"
)

// GemmConvs turns convolutions of dynamically quantised numbers along one axis
// into products of matrices, and says how many. ONNX Runtime lays the input of
// an integer convolution out anew on one thread and multiplies unsigned by
// unsigned bytes; here the layout is a few slices of bytes, the weights are
// packed once and signed, which is what processors have instructions for. The
// products are the same integers. Convolutions with strides or groups, or in
// another form than the quantiser's usual one, are left alone.
//
// The form: DynamicQuantizeLinear → ConvInteger → [Add bias] → Cast → Mul scale.
func (m *Model) GemmConvs() int {
	done := 0
	x := m.Index()
	drop := map[*Node]bool{}
	var nodes []*Node
	laid := map[string]string{} // quantised tensor → its transposed form
	for _, n := range m.Nodes {
		if n.Op == "ConvInteger" {
			if made, dropped := m.gemmConv(x, n, laid); made != nil {
				nodes = append(nodes, made...)
				drop[n] = true
				for _, d := range dropped {
					drop[d] = true
				}
				done++
				continue
			}
		}
		nodes = append(nodes, n)
	}
	if done == 0 {
		return 0
	}
	m.Nodes = sorted(slices.DeleteFunc(nodes, func(n *Node) bool { return drop[n] }))
	m.prune()
	return done
}

// gemmConv gives the nodes in the place of a convolution, and those that they
// make needless.
func (m *Model) gemmConv(x *Index, n *Node, laid map[string]string) (made, dropped []*Node) {
	c := m.integerConv(x, n)
	if c == nil || n.last("strides", 1) != 1 || n.last("group", 1) != 1 {
		return nil, nil
	}
	dims := c.weight.Dims()
	if len(dims) != 3 || c.weight.Type() != uint8Type || c.zero.Name != "" && (c.zero.Type() != uint8Type || len(c.zero.data()) != 1) {
		return nil, nil
	}
	out, in, taps := dims[0], dims[1], dims[2]
	if out < 1 || in < 1 || taps < 1 || taps > 64 {
		return nil, nil
	}
	dilation := n.last("dilations", 1)
	var pads []int64
	if a, ok := n.Attr("pads"); ok {
		pads = a.Ints()
	}
	if _, ok := n.Attr("auto_pad"); ok && pads == nil || pads != nil && len(pads) != 2 || int64(len(c.weight.data())) != out*in*taps {
		return nil, nil
	}
	id := n.Out[0] + "_gemm_"
	add := func(op, suffix string, inputs []string, attrs ...Attr) string {
		made = append(made, &Node{Name: id + suffix, Op: op, In: inputs, Out: []string{id + suffix}, Attrs: attrs})
		return id + suffix
	}
	ints := func(suffix string, v ...int64) string {
		m.AddWeight(Ints(id+suffix, []int64{int64(len(v))}, v))
		return id + suffix
	}
	// Bytes [1, C, T] become rows [1, T, C], once for all who read them.
	rows := laid[c.quantised.out(0)]
	if rows == "" {
		rows = add("Transpose", "rows", []string{c.quantised.out(0)}, IntsAttr("perm", 0, 2, 1))
		laid[c.quantised.out(0)] = rows
	}
	if len(pads) == 2 && (pads[0] != 0 || pads[1] != 0) {
		rows = add("Pad", "padded", []string{rows, ints("pads", 0, pads[0], 0, 0, pads[1], 0), c.quantised.out(2)})
	}
	if taps > 1 {
		var parts []string
		for k := range taps {
			end := -(taps - 1 - k) * dilation
			if end == 0 {
				end = 1 << 40
			}
			tag := fmt.Sprintf("tap%d", k)
			parts = append(parts, add("Slice", tag, []string{rows, ints(tag+"_from", k*dilation), ints(tag+"_to", end), ints(tag+"_axis", 1)}))
		}
		rows = add("Concat", "wide", parts, IntAttr("axis", 2))
	}
	m.AddWeight(newTensor(id+"weight", int8Type, []int64{taps * in, out}, signedColumns(c.weight.data(), out, in, taps)))
	zero := byte(0)
	if z := c.zero.data(); len(z) == 1 {
		zero = z[0]
	}
	m.AddWeight(newTensor(id+"zero", int8Type, nil, []byte{zero ^ 0x80}))
	y := add("MatMulInteger", "product", []string{rows, id + "weight", c.quantised.out(2), id + "zero"})
	y = add("Cast", "float", []string{y}, IntAttr("to", Float32))
	y = add("Mul", "scaled", []string{y, c.scales})
	if c.bias != "" {
		y = add("Add", "biased", []string{y, c.bias})
	}
	made = append(made, &Node{Name: id + "out", Op: "Transpose", In: []string{y}, Out: []string{c.out}, Attrs: []Attr{IntsAttr("perm", 0, 2, 1)}})
	return made, c.dropped
}

// signedColumns brings weights [out, in, taps] of unsigned bytes to [taps·in, out]
// of signed ones, 128 less.
func signedColumns(w []byte, out, in, taps int64) []byte {
	b := make([]byte, len(w))
	for o := range out {
		for i := range in {
			for k := range taps {
				b[(k*in+i)*out+o] = w[(o*in+i)*taps+k] ^ 0x80
			}
		}
	}
	return b
}

// sorted brings nodes into an order in which each stands behind those it reads
// from, and keeps the order otherwise.
func sorted(nodes []*Node) []*Node {
	maker := map[string]*Node{}
	for _, n := range nodes {
		for _, o := range n.Out {
			maker[o] = n
		}
	}
	out := make([]*Node, 0, len(nodes))
	seen := map[*Node]bool{}
	type step struct {
		n    *Node
		next int
	}
	for _, root := range nodes {
		stack := []step{{n: root}}
		for len(stack) > 0 {
			s := &stack[len(stack)-1]
			if s.next == 0 && seen[s.n] {
				stack = stack[:len(stack)-1]
				continue
			}
			seen[s.n] = true
			if s.next == len(s.n.In) {
				out = append(out, s.n)
				stack = stack[:len(stack)-1]
				continue
			}
			in := s.n.In[s.next]
			s.next++
			if before := maker[in]; before != nil && !seen[before] {
				stack = append(stack, step{n: before})
			}
		}
	}
	return out
}
