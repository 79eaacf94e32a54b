package graph

import "strconv"

// bandAttention rewrites attention to relative positions within a window, as VITS
// has it: exports multiply by embeddings of all 2L-1 distances, nearly all of them
// padding, and bring the product into place in matrices of L × 2L. Here the 2w+1
// embeddings that there are make a band of L × 2w+1, which a row that is one
// element longer than the matrix shifts into place.
//
// The forms, E being an embedding [1, 2w+1, d] behind Pad and Slice:
// Add(q·k, moved(q·Eᵀ)) and moved(softmax)·E.
func (m *Model) bandAttention() {
	x := m.Index()
	b := &band{m: m}
	for _, n := range append([]*Node(nil), m.Nodes...) {
		switch n.Op {
		case "Add":
			for i, in := range n.In {
				mul := moved(x, in)
				if mul == nil || mul.Op != "MatMul" {
					continue
				}
				t := x.Maker(mul.in(1))
				if t == nil || t.Op != "Transpose" {
					continue
				}
				if e := m.embedding(x, t.in(0)); e != "" {
					n.In[i] = b.scores(mul.In[0], e)
				}
			}
		case "MatMul":
			p := moved(x, n.in(0))
			e := m.embedding(x, n.in(1))
			if p == nil || p.Op != "Softmax" || e == "" {
				continue
			}
			n.In[0], n.In[1] = b.weights(p.out(0), e), b.squeezed(e)
		}
	}
}

// moved goes back over what brings a matrix into place, and gives the node that
// made it; nil when nothing moves it.
func moved(x *Index, tensor string) *Node {
	pads := 0
	for range 10 {
		n := x.Maker(tensor)
		if n == nil {
			return nil
		}
		switch n.Op {
		case "Pad":
			pads++
		case "Slice", "Reshape":
		default:
			if pads == 2 {
				return n
			}
			return nil
		}
		tensor = n.in(0)
	}
	return nil
}

// embedding is the weight [1, 2w+1, d] behind Pad, Slice and Unsqueeze; "" = none.
func (m *Model) embedding(x *Index, tensor string) string {
	for _, op := range []string{"Unsqueeze", "Slice", "Pad"} {
		n := x.Maker(tensor)
		if n == nil || n.Op != op {
			return ""
		}
		tensor = n.in(0)
	}
	w, ok := m.Weight(tensor)
	if d := w.Dims(); !ok || len(d) != 3 || d[0] != 1 || d[1]%2 != 1 || d[1] < 3 {
		return ""
	}
	if _, float := w.floats(); !float {
		return ""
	}
	return tensor
}

// band makes the nodes; what depends on the length alone is made once.
type band struct {
	m      *Model
	length string // int64[1]: L
	n      int
}

func (b *band) add(op string, in []string, attrs ...Attr) string {
	b.n++
	out := "band_" + op + "_" + strconv.Itoa(b.n)
	b.m.Nodes = append(b.m.Nodes, &Node{Name: out, Op: op, In: in, Out: []string{out}, Attrs: attrs})
	return out
}

func (b *band) ints(v ...int64) string {
	b.n++
	name := "band_const_" + strconv.Itoa(b.n)
	b.m.AddWeight(Ints(name, []int64{int64(len(v))}, v))
	return name
}

func (b *band) join(parts ...string) string { return b.add("Concat", parts, IntAttr("axis", 0)) }

// of gives L as int64[1], from a tensor [1, h, L, …].
func (b *band) of(t string) string {
	if b.length == "" {
		b.length = b.add("Slice", []string{b.add("Shape", []string{t}), b.ints(2), b.ints(3), b.ints(0)})
	}
	return b.length
}

func (b *band) window(e string) (w, d int64) {
	t, _ := b.m.Weight(e)
	return t.Dims()[1] / 2, t.Dims()[2]
}

// squeezed is the embedding as [2w+1, d].
func (b *band) squeezed(e string) string {
	t, _ := b.m.Weight(e)
	name := e + "_band"
	b.m.AddWeight(t.Reshaped(name, t.Dims()[1:]))
	return name
}

// scores gives [1, h, L, L], q·E at the distances that E has and zero elsewhere.
// Rows of L+2w+1 read as rows of L+2w come one further to the right each.
func (b *band) scores(q, e string) string {
	w, d := b.window(e)
	t, _ := b.m.Weight(e)
	f, _ := t.floats()
	turned := make([]float32, len(f)) // [d, 2w+1]
	for c := range 2*w + 1 {
		for k := range d {
			turned[k*(2*w+1)+c] = f[c*d+k]
		}
	}
	name := e + "_turned"
	b.m.AddWeight(Floats(name, []int64{d, 2*w + 1}, turned))
	l := b.of(q)
	width := b.add("Add", []string{l, b.ints(2 * w)})
	r := b.add("MatMul", []string{q, name})
	r = b.add("Pad", []string{r, b.join(b.ints(0, 0, 0, 0, 0, 0, 0), l)})
	r = b.add("Reshape", []string{r, b.ints(0, 0, -1)})
	r = b.add("Slice", []string{r, b.ints(0), b.add("Mul", []string{l, width}), b.ints(2)})
	r = b.add("Reshape", []string{r, b.join(b.ints(0, 0), l, width)})
	return b.add("Slice", []string{r, b.ints(w), b.add("Add", []string{l, b.ints(w)}), b.ints(3)})
}

// weights gives [1, h, L, 2w+1]: what p, [1, h, L, L], has at those distances.
func (b *band) weights(p, e string) string {
	w, _ := b.window(e)
	l := b.of(p)
	r := b.add("Pad", []string{p, b.ints(0, 0, 0, w, 0, 0, 0, w)})
	r = b.add("Reshape", []string{r, b.ints(0, 0, -1)})
	r = b.add("Pad", []string{r, b.join(b.ints(0, 0, 0, 0, 0), l)})
	r = b.add("Reshape", []string{r, b.join(b.ints(0, 0), l, b.add("Add", []string{l, b.ints(2*w + 1)}))})
	return b.add("Slice", []string{r, b.ints(0), b.ints(2*w + 1), b.ints(3)})
}
