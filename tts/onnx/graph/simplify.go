package graph

import "slices"

// Simplify rewrites what exports of transformers spell out in many operations,
// for a runtime that spends more on each than on its numbers: factors that are
// one, normalised layers, padding before convolutions, and attention to relative
// positions. It guesses what it cannot see (that masks are all ones, that padding
// keeps the length), so what it makes is to be compared with the plain graph.
// lengths is the input that holds how many ids count, from which masks are made;
// "" = none.
func (m *Model) Simplify(lengths string) {
	m.dropMasks(lengths, "")
	m.joinNorms()
	m.joinPads()
	m.bandAttention()
	m.Nodes = sorted(m.Nodes)
	m.prune()
}

// alias makes every reader of a tensor read another one, outputs excepted, which
// get an Identity.
func (m *Model) alias(from, to string) {
	m.rename(from, to)
	if m.isOutput(from) {
		for _, n := range m.Nodes {
			for i, o := range n.Out {
				if o == from {
					n.Out[i] = from + "_plain"
				}
			}
		}
		m.Nodes = append(m.Nodes, &Node{Name: from, Op: "Identity", In: []string{to}, Out: []string{from}})
	}
}

// own copies the nodes, which parts of a graph share, before they are changed.
func (m *Model) own() {
	for i, n := range m.Nodes {
		c := *n
		c.In, c.Out = slices.Clone(n.In), slices.Clone(n.Out)
		m.Nodes[i] = &c
	}
}

// DropOnes removes an input that is all ones as a factor, and the sums with zeros
// that exports of VITS have where a voice has no speakers. It guesses that they
// change no shapes: what it makes is to be compared with the plain graph.
func (m *Model) DropOnes(input string) {
	m.dropMasks("", input)
	m.Inputs = slices.DeleteFunc(slices.Clone(m.Inputs), func(v Value) bool { return v.Name == input })
	x := m.Index()
	for _, n := range slices.Clone(m.Nodes) {
		if n.Op != "Add" || len(n.In) != 2 {
			continue
		}
		for i, in := range n.In {
			if z := x.Maker(in); z != nil && z.Op == "ConstantOfShape" && z.fill() == 0 && !m.isOutput(n.out(0)) {
				m.alias(n.out(0), n.In[1-i])
				break
			}
		}
	}
	m.Nodes = sorted(m.Nodes)
	m.prune()
}

// dropMasks removes what a mask of ones does: one text has no padding behind it.
// given is a tensor that is all ones, "" = none.
func (m *Model) dropMasks(lengths, given string) {
	m.own()
	x := m.Index()
	ones, never := map[string]bool{given: given != ""}, map[string]bool{}
	zeros := map[string]bool{}
	from := map[string]bool{lengths: lengths != ""} // what is made of the lengths alone
	type pair struct{ from, to string }
	var aliases []pair
	for _, n := range m.Nodes {
		out := n.out(0)
		switch n.Op {
		case "Unsqueeze", "Cast", "Identity":
			ones[out], never[out], from[out], zeros[out] = ones[n.in(0)], never[n.in(0)], from[n.in(0)], zeros[n.in(0)]
		case "ConstantOfShape":
			zeros[out] = n.fill() == 0
		case "Neg":
			zeros[out] = zeros[n.in(0)]
		case "Exp":
			ones[out] = zeros[n.in(0)]
		case "Less":
			if mk := x.Maker(n.in(0)); from[n.in(1)] && behindRange(x, mk) {
				ones[out] = true
			}
		case "Mul":
			a, b := n.in(0), n.in(1)
			zeros[out] = zeros[a] || zeros[b]
			switch {
			case ones[a] && ones[b]:
				ones[out] = true
			case ones[b]:
				aliases = append(aliases, pair{out, a})
			case ones[a]:
				aliases = append(aliases, pair{out, b})
			}
		case "Equal":
			never[out] = ones[n.in(0)] || ones[n.in(1)] // masks are asked for zeros
		case "Where":
			if never[n.in(0)] && len(n.In) == 3 {
				aliases = append(aliases, pair{out, n.In[2]})
			}
		}
	}
	for i := len(aliases) - 1; i >= 0; i-- { // the last first: what they read may be an alias too
		m.alias(aliases[i].from, aliases[i].to)
	}
}

func behindRange(x *Index, n *Node) bool {
	for range 3 {
		if n == nil {
			return false
		}
		if n.Op == "Range" {
			return true
		}
		n = x.Maker(n.in(0))
	}
	return false
}

// joinNorms finds (v - mean) / sqrt(mean((v - mean)²) + ε) · γ + β over the last
// axis and makes one operation of it.
func (m *Model) joinNorms() {
	x := m.Index()
	for _, mean := range m.Nodes {
		if mean.Op != "ReduceMean" || mean.last("axes", 0) != -1 || len(mean.In) != 1 {
			continue
		}
		sub := x.User(mean.out(0), "Sub")
		if sub == nil || sub.in(0) != mean.In[0] {
			continue
		}
		pow, div := x.User(sub.out(0), "Pow"), x.User(sub.out(0), "Div")
		if pow == nil || div == nil || div.in(0) != sub.out(0) {
			continue
		}
		variance := x.User(pow.out(0), "ReduceMean")
		if variance == nil || variance.last("axes", 0) != -1 {
			continue
		}
		eps := x.User(variance.out(0), "Add")
		if eps == nil {
			continue
		}
		root := x.User(eps.out(0), "Sqrt")
		if root == nil || div.in(1) != root.out(0) {
			continue
		}
		scale := x.User(div.out(0), "Mul")
		if scale == nil {
			continue
		}
		shift := x.User(scale.out(0), "Add")
		if shift == nil {
			continue
		}
		e, ok := m.number(x, eps.Other(variance.out(0)))
		gamma, beta := scale.Other(div.out(0)), shift.Other(scale.out(0))
		if _, is := m.Weight(gamma); !ok || !is {
			continue
		}
		if _, is := m.Weight(beta); !is {
			continue
		}
		*shift = Node{Name: shift.Name, Op: "LayerNormalization", In: []string{mean.In[0], gamma, beta}, Out: shift.Out, Attrs: []Attr{IntAttr("axis", -1), FloatAttr("epsilon", e)}}
	}
}

// number is the value of a constant of one float.
func (m *Model) number(x *Index, t string) (float32, bool) {
	w, ok := m.Weight(t)
	if mk := x.Maker(t); !ok && mk != nil && mk.Op == "Constant" {
		w = mk.value()
	}
	v, ok := w.floats()
	if !ok || len(v) != 1 {
		return 0, false
	}
	return v[0], true
}

// value is the tensor that a constant or ConstantOfShape has; empty = none.
func (n *Node) value() (t Tensor) {
	a, _ := n.Attr("value")
	_ = fields(a.raw, func(f field) error {
		if f.num == attrTensor {
			t = Tensor{raw: f.bytes}
		}
		return nil
	})
	return t
}

// fill is the number that a ConstantOfShape repeats.
func (n *Node) fill() float32 {
	if v, ok := n.value().floats(); ok {
		return v[0]
	}
	return 0
}

// joinPads lets convolutions of one dimension without padding, whose input is
// padded by a node of its own, keep the length by themselves.
func (m *Model) joinPads() {
	x := m.Index()
	for _, n := range m.Nodes {
		if n.Op != "Conv" || n.last("strides", 1) != 1 {
			continue
		}
		pad := x.Maker(n.in(0))
		p, _ := n.Attr("pads")
		k := (n.last("kernel_shape", 0) - 1) * n.last("dilations", 1)
		if pad == nil || pad.Op != "Pad" || !slices.Equal(p.Ints(), []int64{0, 0}) || k <= 0 {
			continue
		}
		n.In[0] = pad.in(0)
		n.Attrs = slices.Clone(n.Attrs)
		for i, a := range n.Attrs {
			if a.Name == "pads" {
				n.Attrs[i] = IntsAttr("pads", k/2, k-k/2)
			}
		}
	}
}
