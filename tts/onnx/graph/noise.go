package graph

import "fmt"

// SeedNoise replaces every RandomNormalLike by numbers from outside: it adds
// an input of the given name, float[n], from which each takes as many as it
// needs, again from the start when n are not enough. Graphs without random
// nodes are left alone; the result says whether the input was added.
func (m *Model) SeedNoise(input string) (bool, error) {
	var nodes []*Node
	count := 0
	for _, n := range m.Nodes {
		switch n.Op {
		case "RandomNormal", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli":
			return false, fmt.Errorf("graph: seeding noise: operation %s in node %q is not supported", n.Op, n.Name)
		case "RandomNormalLike":
		default:
			nodes = append(nodes, n)
			continue
		}
		id := fmt.Sprintf("%s_%d_", input, count)
		add := func(op, out string, in ...string) {
			nodes = append(nodes, &Node{Name: id + op, Op: op, In: in, Out: []string{out}})
		}
		// The k-th number wanted is the input's (k mod n)-th.
		add("Shape", id+"shape", n.In[0])
		add("Size", id+"size", n.In[0])
		add("Range", id+"range", "noise_zero", id+"size", "noise_one")
		add("Size", id+"have", input)
		add("Mod", id+"index", id+"range", id+"have")
		add("Gather", id+"flat", input, id+"index")
		add("Reshape", n.Out[0], id+"flat", id+"shape")
		count++
	}
	if count == 0 {
		return false, nil
	}
	m.AddWeight(Ints("noise_zero", nil, []int64{0}))
	m.AddWeight(Ints("noise_one", nil, []int64{1}))
	m.Nodes = nodes
	m.Inputs = append(m.Inputs, Value{Name: input, Type: Float32, Dims: []int64{-1}})
	return true, nil
}
