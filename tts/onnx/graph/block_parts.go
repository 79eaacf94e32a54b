package graph

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// parts handles what takes channels apart and puts them together. Blocks lie one
// behind the other, so parts that are made of whole blocks stay blocked.
func (b *blocker) parts(n *Node) error {
	in := n.In[:1]
	var sizes []int64 // channels of the results
	order := true     // they keep their order
	c := b.channels[n.In[0]]
	switch n.Op {
	case "Identity":
		sizes = []int64{c}
	case "Concat":
		in = n.In
		sum := int64(0)
		for _, t := range in {
			sum += b.channels[t]
		}
		sizes = []int64{sum}
	case "Split":
		sizes = b.m.integers(b.x, n.in(1))
		if len(sizes) == 0 {
			for range n.Out {
				sizes = append(sizes, c/int64(len(n.Out)))
			}
		}
	case "Slice":
		from, to, axes := b.m.integers(b.x, n.in(1)), b.m.integers(b.x, n.in(2)), b.m.integers(b.x, n.in(3))
		step := []int64{1}
		if n.in(4) != "" {
			step = b.m.integers(b.x, n.in(4))
		}
		if len(from) != 1 || len(to) != 1 || len(step) != 1 || !slices.Equal(axes, []int64{1}) {
			return fmt.Errorf("it takes other parts than channels")
		}
		switch {
		case step[0] == -1 && from[0] == -1:
			sizes, order = []int64{c}, false
		case step[0] == 1 && from[0] >= 0 && to[0] > from[0]:
			sizes, order = []int64{min(to[0], c) - from[0]}, from[0]%b.width == 0
		default:
			return fmt.Errorf("it takes channels %d to %d in steps of %d", from[0], to[0], step[0])
		}
	}
	if n.Op == "Split" || n.Op == "Concat" {
		if n.last("axis", 0) != 1 {
			return fmt.Errorf("its axis is not the channels")
		}
	}
	if len(sizes) != len(n.Out) {
		return fmt.Errorf("%d results of %d sizes", len(n.Out), len(sizes))
	}
	blocked := false
	for _, t := range in {
		f, ok := b.has[t]
		if !ok {
			return fmt.Errorf("it reads %q from outside the chain", t)
		}
		blocked = blocked || f.blocked != ""
		order = order && b.channels[t]%b.width == 0
	}
	for _, s := range sizes {
		order = order && s > 0 && s%b.width == 0
	}
	blocked = blocked && order
	k := *n
	k.In, k.Out = slices.Clone(n.In), slices.Clone(n.Out)
	for i, t := range in {
		if blocked {
			k.In[i] = b.blocked(t)
		} else {
			k.In[i] = b.plain(t)
		}
	}
	for i, o := range n.Out {
		b.channels[o] = sizes[i]
		if blocked {
			k.Out[i] = o + blockedSuffix
			b.has[o] = forms{blocked: k.Out[i]}
		} else {
			b.has[o] = forms{plain: o}
		}
	}
	b.add(&k)
	return nil
}

// integers are the values of a constant list of int64; nil when it is none.
func (m *Model) integers(x *Index, tensor string) []int64 {
	t, ok := m.Weight(tensor)
	if mk := x.Maker(tensor); !ok && mk != nil && mk.Op == "Constant" {
		t = mk.value()
	}
	if t.Type() != Int64 {
		return nil
	}
	var out []int64
	_ = fields(t.raw, func(f field) error {
		switch f.num {
		case tensorRaw:
			for r := f.bytes; len(r) >= 8; r = r[8:] {
				out = append(out, int64(binary.LittleEndian.Uint64(r)))
			}
		case tensorInt64s:
			out = append(out, unpack(f)...)
		}
		return nil
	})
	return out
}
