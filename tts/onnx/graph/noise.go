package graph

import (
	"fmt"
	"math"
)

// SeedNoise replaces every RandomNormalLike and RandomUniformLike by numbers
// from outside: it adds an input of the given name, float[n], normally
// distributed, from which each takes as many as it needs, again from the start
// when n are not enough; uniform ones are made of them. Graphs without random
// nodes are left alone; the result says whether the input was added.
func (m *Model) SeedNoise(input string) (bool, error) {
	var nodes []*Node
	count := 0
	for _, n := range m.Nodes {
		switch n.Op {
		case "RandomNormal", "RandomUniform", "Multinomial", "Bernoulli":
			return false, fmt.Errorf("graph: seeding noise: operation %s in node %q is not supported", n.Op, n.Name)
		case "RandomUniformLike":
			if len(n.Attrs) > 0 && (n.has("low") || n.has("high")) {
				return false, fmt.Errorf("graph: seeding noise: bounds in node %q are not supported", n.Name)
			}
		case "RandomNormalLike":
		default:
			nodes = append(nodes, n)
			continue
		}
		id := fmt.Sprintf("%s_%d_", input, count)
		add := func(op, out string, in ...string) {
			nodes = append(nodes, &Node{Name: id + out, Op: op, In: in, Out: []string{out}})
		}
		// The k-th number wanted is the input's (k mod n)-th.
		add("Shape", id+"shape", n.in(0))
		add("Size", id+"size", n.in(0))
		add("Range", id+"range", "noise_zero", id+"size", "noise_one")
		add("Size", id+"have", input)
		add("Mod", id+"index", id+"range", id+"have")
		add("Gather", id+"flat", input, id+"index")
		if n.Op == "RandomNormalLike" {
			add("Reshape", n.out(0), id+"flat", id+"shape")
		} else { // the normal distribution's own integral makes its numbers uniform
			add("Mul", id+"scaled", id+"flat", "noise_root")
			add("Erf", id+"erf", id+"scaled")
			add("Mul", id+"halved", id+"erf", "noise_half")
			add("Add", id+"uniform", id+"halved", "noise_half")
			add("Reshape", n.out(0), id+"uniform", id+"shape")
		}
		count++
	}
	if count == 0 {
		return false, nil
	}
	m.AddWeight(Ints("noise_zero", nil, []int64{0}))
	m.AddWeight(Ints("noise_one", nil, []int64{1}))
	m.AddWeight(Floats("noise_half", nil, []float32{0.5}))
	m.AddWeight(Floats("noise_root", nil, []float32{float32(1 / math.Sqrt2)}))
	m.Nodes = nodes
	m.Inputs = append(m.Inputs, Value{Name: input, Type: Float32, Dims: []int64{-1}})
	return true, nil
}

func (n *Node) has(attr string) bool {
	_, ok := n.Attr(attr)
	return ok
}
