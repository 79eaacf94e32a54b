package graph

import "fmt"

// Widen rewrites the convolutions behind the tensor input from one dimension
// to two (of height one), for which ONNX Runtime has faster kernels. The graph
// must be a chain of convolutions and element-wise operations; anything else is
// an error and leaves m in an unusable state, so call it on a part of its own.
// The output keeps its data; its rank grows by one.
func (m *Model) Widen(input string) error {
	x := m.Index()
	wide := x.After(input)
	renamed := map[string]string{input: input + "_wide"}
	m.AddWeight(Ints("widen_shape", []int64{4}, []int64{0, 0, 1, -1}))
	reshape := func(from, to string) *Node {
		return &Node{Name: "widen_" + from, Op: "Reshape", In: []string{from, "widen_shape"}, Out: []string{to}}
	}
	nodes := make([]*Node, 0, len(m.Nodes)+4)
	nodes = append(nodes, reshape(input, renamed[input]))
	for _, n := range m.Nodes {
		if !wide[n] {
			nodes = append(nodes, n)
			continue
		}
		c := *n
		c.In = append([]string(nil), n.In...)
		switch n.Op {
		case "Conv", "ConvTranspose":
			w, ok := m.Weight(n.In[1])
			if !ok || len(w.Dims()) != 3 {
				return fmt.Errorf("graph: widening %q: weight is not a three-dimensional initialiser", n.Name)
			}
			d := w.Dims()
			name := n.In[1] + "_wide"
			m.AddWeight(w.Reshaped(name, []int64{d[0], d[1], 1, d[2]}))
			c.In[1] = name
			attrs, err := widenAttrs(n)
			if err != nil {
				return err
			}
			c.Attrs = attrs
		case "LeakyRelu", "Relu", "Tanh", "Sigmoid", "Add", "Sub", "Mul", "Div", "Unsqueeze":
			if n.Op == "Unsqueeze" && !m.isOutput(n.Out[0]) {
				return fmt.Errorf("graph: widening %q: unsqueezed inside the chain", n.Name)
			}
			if n.Op == "Unsqueeze" {
				break
			}
			for i, in := range n.In {
				if maker := x.Maker(in); maker == nil || wide[maker] || maker.Op == "Constant" {
					continue // a scalar weight, or wide already
				}
				if renamed[in] == "" {
					renamed[in] = in + "_wide"
					nodes = append(nodes, reshape(in, renamed[in]))
				}
				c.In[i] = renamed[in]
			}
		default:
			return fmt.Errorf("graph: widening %q: operation %s is not element by element", n.Name, n.Op)
		}
		for i, in := range c.In {
			if in == input {
				c.In[i] = renamed[input]
			}
		}
		nodes = append(nodes, &c)
	}
	used := map[string]bool{}
	for _, n := range nodes {
		for _, in := range n.In {
			used[in] = true
		}
	}
	kept := m.order[:0]
	for _, name := range m.order {
		if used[name] {
			kept = append(kept, name)
		} else {
			delete(m.weights, name)
		}
	}
	m.order, m.Nodes = kept, nodes
	for i := range m.Outputs {
		m.Outputs[i].Dims = nil
	}
	return nil
}

func (m *Model) isOutput(name string) bool {
	_, ok := find(m.Outputs, name)
	return ok
}

func widenAttrs(n *Node) ([]Attr, error) {
	var out []Attr
	for _, a := range n.Attrs {
		v := a.Ints()
		switch a.Name {
		case "kernel_shape", "dilations", "strides":
			if len(v) != 1 {
				return nil, fmt.Errorf("graph: widening %q: %s = %v, want one value", n.Name, a.Name, v)
			}
			out = append(out, IntsAttr(a.Name, 1, v[0]))
		case "pads":
			if len(v) != 2 {
				return nil, fmt.Errorf("graph: widening %q: pads = %v, want two values", n.Name, v)
			}
			out = append(out, IntsAttr(a.Name, 0, v[0], 0, v[1]))
		case "output_padding":
			if len(v) != 1 {
				return nil, fmt.Errorf("graph: widening %q: output_padding = %v, want one value", n.Name, v)
			}
			out = append(out, IntsAttr(a.Name, 0, v[0]))
		case "group":
			out = append(out, a)
		default:
			return nil, fmt.Errorf("graph: widening %q: attribute %s is not known", n.Name, a.Name)
		}
	}
	return out, nil
}
