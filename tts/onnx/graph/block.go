package graph

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// blockedDomain holds ONNX Runtime's operations on its blocked layout: channels
// in groups of a processor's vector width, [C/b][H][W][b] in the place of
// [C][H][W]. The runtime's own optimiser uses them too, but goes back to the
// plain layout at every operation that it does not know there, LeakyRelu among
// them. Element by element it makes no difference how elements are laid out.
const blockedDomain = "com.microsoft.nchwc"

// BlockProbe is a graph that shows the width of the runtime's blocks: its input
// x, float[1, 64, 1, 2], comes out as y in the blocked layout.
func BlockProbe() *Model {
	m := New(15)
	m.useDomain(blockedDomain)
	m.Inputs = []Value{{Name: "x", Type: Float32, Dims: []int64{1, 64, 1, 2}}}
	m.Outputs = []Value{{Name: "y", Type: Float32}}
	m.Nodes = []*Node{{Name: "probe", Op: "ReorderInput", Domain: blockedDomain, In: []string{"x"}, Out: []string{"y"}}}
	return m
}

// useDomain imports version 1 of a set of operations, once.
func (m *Model) useDomain(name string) {
	var set []byte
	set = protowire.AppendTag(set, 1, protowire.BytesType)
	set = protowire.AppendString(set, name)
	set = protowire.AppendTag(set, 2, protowire.VarintType)
	set = protowire.AppendVarint(set, 1)
	m.header = appendMessage(slices.Clone(m.header), modelOpset, set)
}

// Block brings what lies behind the graph's input of that name, float[1,
// channels, T], into the blocked layout with the given width: convolutions of
// one dimension become ones of two (of height one) over blocks, sums are taken
// by the convolution before them, and the plain layout comes back only where
// something wants it. Tensors from outside the chain, such as masks, must be
// spread over its channels or its steps. Anything but convolutions, operations
// element by element and the taking apart of channels is an error and leaves m in an unusable state, so call it on
// a part of its own. The outputs keep their data; their rank grows by one.
func (m *Model) Block(input string, channels, width int64) error {
	b := &blocker{
		m: m, x: m.Index(), width: width,
		channels: map[string]int64{input: channels},
		has:      map[string]forms{}, made: map[string]*Node{},
	}
	b.wide = b.x.After(input)
	m.AddWeight(Ints("block_shape", []int64{4}, []int64{0, 0, 1, -1}))
	m.useDomain(blockedDomain)
	b.add(&Node{Name: "block_" + input, Op: "Reshape", In: []string{input, "block_shape"}, Out: []string{input + plainSuffix}})
	b.has[input] = forms{plain: input + plainSuffix}
	for _, n := range m.Nodes {
		if !b.wide[n] {
			b.add(n)
			continue
		}
		if err := b.node(n); err != nil {
			return fmt.Errorf("graph: blocking %q: %w", n.Name, err)
		}
	}
	for i, o := range m.Outputs {
		if f, ok := b.has[o.Name]; ok {
			if p := b.plain(o.Name); p != o.Name {
				return fmt.Errorf("graph: blocking: output %q is %q, %+v", o.Name, p, f)
			}
		}
		m.Outputs[i].Dims = nil
	}
	m.Nodes = sorted(b.nodes)
	m.prune()
	return nil
}

const (
	plainSuffix   = "_wide"
	blockedSuffix = "_blocked"
)

// forms are the names under which a tensor can be had; "" = not yet.
type forms struct{ plain, blocked string }

type blocker struct {
	m        *Model
	x        *Index
	width    int64
	wide     map[*Node]bool
	channels map[string]int64 // of the tensors of the chain
	has      map[string]forms
	made     map[string]*Node // blocked convolutions by the original tensor
	nodes    []*Node
}

func (b *blocker) add(n *Node) *Node { b.nodes = append(b.nodes, n); return n }

// plain gives the name of the tensor in the plain layout.
func (b *blocker) plain(t string) string {
	f := b.has[t]
	if f.plain == "" {
		f.plain = t
		b.add(&Node{Name: t + "_unblock", Op: "ReorderOutput", Domain: blockedDomain, In: []string{f.blocked}, Out: []string{t}, Attrs: []Attr{IntAttr("channels", b.channels[t])}})
		b.has[t] = f
	}
	return f.plain
}

// blocked gives the name of the tensor in the blocked layout.
func (b *blocker) blocked(t string) string {
	f := b.has[t]
	if f.blocked == "" {
		f.blocked = t + blockedSuffix
		b.add(&Node{Name: t + "_block", Op: "ReorderInput", Domain: blockedDomain, In: []string{f.plain}, Out: []string{f.blocked}})
		b.has[t] = f
	}
	return f.blocked
}

func (b *blocker) node(n *Node) error {
	if len(n.Out) == 0 {
		return fmt.Errorf("no result")
	}
	switch n.Op {
	case "Conv", "ConvTranspose":
		return b.conv(n)
	case "LeakyRelu", "Relu", "Tanh", "Sigmoid", "Exp", "Neg", "Add", "Sub", "Mul", "Div":
		return b.element(n)
	case "Split", "Slice", "Concat", "Identity":
		return b.parts(n)
	case "Unsqueeze":
		if !b.m.isOutput(n.Out[0]) {
			return fmt.Errorf("unsqueezed inside the chain")
		}
		c := *n
		c.In = slices.Clone(n.In)
		c.In[0] = b.plain(n.In[0])
		b.add(&c)
		return nil
	}
	return fmt.Errorf("operation %s is not element by element", n.Op)
}

func (b *blocker) conv(n *Node) error {
	if len(n.In) < 2 {
		return fmt.Errorf("%d inputs", len(n.In))
	}
	w, ok := b.m.Weight(n.In[1])
	d := w.Dims()
	if !ok || len(d) != 3 || b.channels[n.In[0]] <= 0 {
		return fmt.Errorf("its weight is not a three-dimensional initialiser, or its input is not known")
	}
	attrs, err := widenAttrs(n)
	if err != nil {
		return err
	}
	out := n.Out[0]
	c := &Node{Name: n.Name, Op: n.Op, In: slices.Clone(n.In), Out: []string{out}, Attrs: attrs}
	switch {
	case n.last("group", 1) != 1:
		return fmt.Errorf("it has groups")
	case n.Op == "ConvTranspose":
		b.channels[out] = d[1]
	default:
		b.channels[out] = d[0]
		if d[1]%b.width != 0 || !b.padded(n, d[0]) {
			break
		}
		f, ok := w.floats()
		if !ok || int64(len(f)) != d[0]*d[1]*d[2] {
			return fmt.Errorf("its weight is not float")
		}
		c.Domain, c.Out[0] = blockedDomain, out+blockedSuffix
		c.In[0], c.In[1] = b.blocked(n.In[0]), n.In[1]+blockedSuffix
		b.m.AddWeight(b.filter(c.In[1], f, d[0], d[1], d[2]))
		b.has[out] = forms{blocked: c.Out[0]}
		b.made[out] = b.add(c)
		return nil
	}
	c.In[0], c.In[1] = b.plain(n.In[0]), n.In[1]+plainSuffix
	b.m.AddWeight(w.Reshaped(c.In[1], []int64{d[0], d[1], 1, d[2]}))
	b.has[out] = forms{plain: out}
	b.add(c)
	return nil
}

// padded tells whether the output can be blocked: it fills its blocks, or has no
// bias that would have to be filled up.
func (b *blocker) padded(n *Node, out int64) bool {
	return out%b.width == 0 || len(n.In) < 3 || n.In[2] == ""
}

// filter lays weights [out, in, taps] out as [out/b, in/b, taps, in%b, out%b].
func (b *blocker) filter(name string, w []float32, out, in, taps int64) Tensor {
	k := b.width
	full := (out + k - 1) / k * k
	raw := make([]byte, 4*full*in*taps)
	for o := range out {
		for i := range in {
			for t := range taps {
				at := ((((o/k)*(in/k)+i/k)*taps+t)*k+i%k)*k + o%k
				binary.LittleEndian.PutUint32(raw[4*at:], math.Float32bits(w[(o*in+i)*taps+t]))
			}
		}
	}
	return newTensor(name, Float32, []int64{full, in, 1, taps}, raw)
}

// element handles an operation element by element.
func (b *blocker) element(n *Node) error {
	var chain []string
	layout := ""
	for _, in := range n.In {
		f, ok := b.has[in]
		if !ok {
			continue
		}
		chain = append(chain, in)
		if f.blocked != "" {
			layout = blockedSuffix
		}
	}
	outer := false
	for _, in := range n.In {
		outer = outer || !slices.Contains(chain, in) && !b.scalar(in)
	}
	out := n.Out[0]
	b.channels[out] = b.channels[chain[0]]
	for _, in := range chain {
		if b.channels[in] != b.channels[out] {
			return fmt.Errorf("it joins %d and %d channels", b.channels[in], b.channels[out])
		}
	}
	if outer || b.channels[out]%b.width != 0 {
		layout = "" // spreading it, or filling up blocks, needs the plain layout
	}
	if layout != "" && b.fuse(n, chain) {
		return nil
	}
	c := *n
	c.In, c.Out = slices.Clone(n.In), []string{out + layout}
	for i, in := range n.In {
		switch {
		case slices.Contains(chain, in) && layout != "":
			c.In[i] = b.blocked(in)
		case slices.Contains(chain, in):
			c.In[i] = b.plain(in)
		case !b.scalar(in):
			c.In[i] = in + plainSuffix
			if _, had := b.has[c.In[i]]; !had {
				b.add(&Node{Name: "block_" + in, Op: "Reshape", In: []string{in, "block_shape"}, Out: []string{c.In[i]}})
				b.has[c.In[i]] = forms{plain: c.In[i]}
			}
		}
	}
	if layout != "" {
		b.has[out] = forms{blocked: c.Out[0]}
	} else {
		b.has[out] = forms{plain: out}
	}
	b.add(&c)
	return nil
}

// fuse lets a blocked convolution that only n reads do n's work; false = it cannot.
func (b *blocker) fuse(n *Node, chain []string) bool {
	for i, in := range chain {
		conv := b.made[in]
		if conv == nil || len(b.x.Users(in)) != 1 || b.m.isOutput(in) || b.has[in].plain != "" || conv.has("activation") {
			continue
		}
		switch {
		case n.Op == "Add" && len(chain) == 2 && len(n.In) == 2 && chain[0] != chain[1] && len(conv.In) < 4:
			for len(conv.In) < 3 {
				conv.In = append(conv.In, "")
			}
			conv.In = append(conv.In, b.blocked(chain[1-i]))
		case n.Op == "Tanh" || n.Op == "Sigmoid" || n.Op == "Relu":
			conv.Attrs = append(conv.Attrs, stringAttr("activation", n.Op))
		default:
			continue
		}
		delete(b.made, in)
		delete(b.has, in)
		out := n.Out[0]
		conv.Out[0] = out + blockedSuffix
		b.has[out] = forms{blocked: conv.Out[0]}
		b.made[out] = conv
		return true
	}
	return false
}

// scalar tells whether a tensor from outside is one number.
func (b *blocker) scalar(t string) bool {
	if w, ok := b.m.Weight(t); ok {
		n := int64(1)
		for _, d := range w.Dims() {
			n *= d
		}
		return n == 1
	}
	mk := b.x.Maker(t)
	return mk != nil && mk.Op == "Constant"
}

func stringAttr(name, v string) Attr {
	b := attr(name, 3)
	b = protowire.AppendTag(b, 4, protowire.BytesType)
	return Attr{Name: name, raw: protowire.AppendString(b, v)}
}
