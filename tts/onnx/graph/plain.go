package graph

import "slices"

// FloatInputs makes every input and output that is float16, and the named
// inputs whatever they are, float32: the graph converts them itself. It is for
// graphs of which the same network exists in several exports.
func (m *Model) FloatInputs(names ...string) {
	var before, behind []*Node
	for i, v := range m.Inputs {
		if v.Type == Float32 || v.Type != Float16 && !slices.Contains(names, v.Name) {
			continue
		}
		inner := v.Name + "_as_given"
		m.rename(v.Name, inner)
		cast := &Node{Name: inner, Op: "Cast", In: []string{v.Name}, Out: []string{inner}, Attrs: []Attr{IntAttr("to", int64(v.Type))}}
		if v.Type != Float16 { // an integer that the graph turns into a float at once
			users := m.Index().Users(inner)
			direct := len(users) > 0
			for _, n := range users {
				direct = direct && n.Op == "Cast"
			}
			if direct {
				cast = &Node{Name: inner, Op: "Identity", In: []string{v.Name}, Out: []string{inner}}
			}
		}
		before = append(before, cast)
		m.Inputs[i].Type = Float32
	}
	for i, v := range m.Outputs {
		if v.Type != Float16 {
			continue
		}
		inner := v.Name + "_as_made"
		m.rename(v.Name, inner)
		for _, n := range m.Nodes {
			for k, o := range n.Out {
				if o == v.Name {
					n.Out[k] = inner
				}
			}
		}
		behind = append(behind, &Node{Name: inner, Op: "Cast", In: []string{inner}, Out: []string{v.Name}, Attrs: []Attr{IntAttr("to", Float32)}})
		m.Outputs[i].Type = Float32
	}
	m.Nodes = slices.Concat(before, m.Nodes, behind)
}

// rename makes every reader of a tensor read another one.
func (m *Model) rename(from, to string) {
	for _, n := range m.Nodes {
		for i, in := range n.In {
			if in == from {
				n.In[i] = to
			}
		}
	}
}

// Expose adds an output that is the tensor as float32.
func (m *Model) Expose(tensor, output string) {
	m.Nodes = append(m.Nodes, &Node{Name: output, Op: "Cast", In: []string{tensor}, Out: []string{output}, Attrs: []Attr{IntAttr("to", Float32)}})
	m.Outputs = append(m.Outputs, Value{Name: output, Type: Float32})
}

// Scale multiplies what node n reads as its input i by a new graph input,
// float32[1].
func (m *Model) Scale(n *Node, i int, input string) {
	scaled := input + "_scaled"
	mul := &Node{Name: scaled, Op: "Mul", In: []string{n.In[i], input}, Out: []string{scaled}}
	n.In[i] = scaled
	at := slices.Index(m.Nodes, n)
	m.Nodes = slices.Insert(m.Nodes, at, mul)
	m.Inputs = append(m.Inputs, Value{Name: input, Type: Float32, Dims: []int64{1}})
}
