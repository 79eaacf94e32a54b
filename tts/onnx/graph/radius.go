package graph

// Radius is how far, in steps of the tensor from, a step of the tensor to
// depends on it to each side, through convolutions along the last axis. Other
// operations count as going step by step, so it is right for convolutional
// graphs only and is to be confirmed by a run.
func (m *Model) Radius(from, to string) float64 {
	x := m.Index()
	after := x.After(from)
	type reach struct{ radius, rate float64 }
	known := map[string]reach{from: {0, 1}}
	var visit func(t string) (reach, bool)
	visit = func(t string) (reach, bool) {
		if r, ok := known[t]; ok {
			return r, r.rate > 0
		}
		n := x.Maker(t)
		if n == nil || !after[n] {
			return reach{}, false
		}
		known[t] = reach{} // a graph has no cycles; this ends a broken one
		best := reach{}
		for _, in := range n.In {
			if r, ok := visit(in); ok && (best.rate == 0 || r.radius > best.radius) {
				best = r
			}
		}
		if best.rate > 0 {
			switch n.Op {
			case "Conv":
				best.radius += float64(n.last("kernel_shape", 1)-1) * float64(n.last("dilations", 1)) / 2 / best.rate
				best.rate /= float64(n.last("strides", 1))
			case "ConvTranspose":
				stride := float64(n.last("strides", 1))
				best.radius += float64(n.last("kernel_shape", 1)) / stride / 2 / best.rate
				best.rate *= stride
			}
		}
		known[t] = best
		return best, best.rate > 0
	}
	r, _ := visit(to)
	return r.radius
}

func (n *Node) last(attr string, fallback int64) int64 {
	if a, ok := n.Attr(attr); ok {
		if v := a.Ints(); len(v) > 0 {
			return v[len(v)-1]
		}
	}
	return fallback
}
