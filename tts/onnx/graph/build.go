package graph

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields of TensorProto and AttributeProto.
const (
	tensorDims, tensorType, tensorName, tensorRaw = 1, 2, 8, 9
	tensorInt64s                                  = 7

	attrName, attrFloat, attrInt, attrText, attrTensor, attrInts, attrType = 1, 2, 3, 4, 5, 8, 20
)

// New starts an empty model of the given operator set, for graphs built by hand.
func New(opset int) *Model {
	m := &Model{weights: map[string]Tensor{}, Metadata: map[string]string{}}
	m.header = protowire.AppendTag(m.header, 1, protowire.VarintType)
	m.header = protowire.AppendVarint(m.header, 8) // IR version
	var set []byte
	set = protowire.AppendTag(set, 1, protowire.BytesType)
	set = protowire.AppendString(set, "")
	set = protowire.AppendTag(set, 2, protowire.VarintType)
	set = protowire.AppendVarint(set, uint64(opset))
	m.header = protowire.AppendTag(m.header, modelOpset, protowire.BytesType)
	m.header = protowire.AppendBytes(m.header, set)
	return m
}

// AddWeight adds or replaces an initialiser.
func (m *Model) AddWeight(t Tensor) {
	if _, had := m.weights[t.Name]; !had {
		m.order = append(m.order, t.Name)
	}
	m.weights[t.Name] = t
}

// Weight finds an initialiser.
func (m *Model) Weight(name string) (Tensor, bool) {
	t, ok := m.weights[name]
	return t, ok
}

// Floats makes a float tensor.
func Floats(name string, dims []int64, data []float32) Tensor {
	raw := make([]byte, 0, 4*len(data))
	for _, x := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	return newTensor(name, Float32, dims, raw)
}

// Ints makes an int64 tensor.
func Ints(name string, dims []int64, data []int64) Tensor {
	raw := make([]byte, 0, 8*len(data))
	for _, x := range data {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(x))
	}
	return newTensor(name, Int64, dims, raw)
}

// Bytes makes a tensor of unsigned bytes.
func Bytes(name string, dims []int64, data []byte) Tensor {
	return newTensor(name, uint8Type, dims, data)
}

func newTensor(name string, kind int, dims []int64, raw []byte) Tensor {
	b := make([]byte, 0, len(raw)+len(name)+64)
	for _, d := range dims {
		b = protowire.AppendTag(b, tensorDims, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(d))
	}
	b = protowire.AppendTag(b, tensorType, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(kind))
	b = protowire.AppendTag(b, tensorName, protowire.BytesType)
	b = protowire.AppendString(b, name)
	b = protowire.AppendTag(b, tensorRaw, protowire.BytesType)
	b = protowire.AppendBytes(b, raw)
	return Tensor{Name: name, raw: b}
}

// Dims are the tensor's dimensions.
func (t Tensor) Dims() []int64 {
	var dims []int64
	_ = fields(t.raw, func(f field) error {
		if f.num == tensorDims {
			dims = append(dims, unpack(f)...)
		}
		return nil
	})
	return dims
}

// Reshaped is the tensor under another name with other dimensions of the same
// product; the data is shared.
func (t Tensor) Reshaped(name string, dims []int64) Tensor {
	var b []byte
	for _, d := range dims {
		b = protowire.AppendTag(b, tensorDims, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(d))
	}
	_ = fields(t.raw, func(f field) error {
		if f.num != tensorDims && f.num != tensorName {
			b = append(b, f.whole...)
		}
		return nil
	})
	b = protowire.AppendTag(b, tensorName, protowire.BytesType)
	b = protowire.AppendString(b, name)
	return Tensor{Name: name, raw: b}
}

func unpack(f field) []int64 {
	if f.kind != protowire.BytesType {
		return []int64{int64(f.n)}
	}
	var out []int64
	for b := f.bytes; len(b) > 0; {
		x, n := protowire.ConsumeVarint(b)
		if n < 0 {
			break
		}
		out = append(out, int64(x))
		b = b[n:]
	}
	return out
}

// TextAttr makes an attribute that is a text.
func TextAttr(name, v string) Attr {
	b := attr(name, 3)
	b = protowire.AppendTag(b, attrText, protowire.BytesType)
	return Attr{name, protowire.AppendString(b, v)}
}

// IntAttr makes an attribute that is an integer.
func IntAttr(name string, v int64) Attr {
	b := attr(name, 2)
	b = protowire.AppendTag(b, attrInt, protowire.VarintType)
	return Attr{Name: name, raw: protowire.AppendVarint(b, uint64(v))}
}

// IntsAttr makes an attribute that is a list of integers.
func IntsAttr(name string, vs ...int64) Attr {
	b := attr(name, 7)
	for _, v := range vs {
		b = protowire.AppendTag(b, attrInts, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(v))
	}
	return Attr{Name: name, raw: b}
}

// FloatAttr makes a float attribute.
func FloatAttr(name string, v float32) Attr {
	b := attr(name, 1)
	b = protowire.AppendTag(b, attrFloat, protowire.Fixed32Type)
	return Attr{Name: name, raw: protowire.AppendFixed32(b, math.Float32bits(v))}
}

// TensorAttr makes an attribute that is a tensor.
func TensorAttr(name string, t Tensor) Attr {
	b := attr(name, 4)
	b = protowire.AppendTag(b, attrTensor, protowire.BytesType)
	return Attr{Name: name, raw: protowire.AppendBytes(b, t.raw)}
}

func attr(name string, kind uint64) []byte {
	b := protowire.AppendTag(nil, attrName, protowire.BytesType)
	b = protowire.AppendString(b, name)
	b = protowire.AppendTag(b, attrType, protowire.VarintType)
	return protowire.AppendVarint(b, kind)
}

// Attr finds an attribute of the node.
func (n *Node) Attr(name string) (Attr, bool) {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a, true
		}
	}
	return Attr{}, false
}

// Other is the node's first input that is not the named one.
func (n *Node) Other(input string) string {
	for _, i := range n.In {
		if i != input {
			return i
		}
	}
	return ""
}

// in and out are the node's i-th tensors, "" where there are fewer.
func (n *Node) in(i int) string  { return at(n.In, i) }
func (n *Node) out(i int) string { return at(n.Out, i) }

func at(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return ""
}

// Ints are the values of an integer or integer-list attribute.
func (a Attr) Ints() []int64 {
	var out []int64
	_ = fields(a.raw, func(f field) error {
		if f.num == attrInt || f.num == attrInts {
			out = append(out, unpack(f)...)
		}
		return nil
	})
	return out
}

// Bytes writes the model as an ONNX file.
func (m *Model) Bytes() []byte {
	size := len(m.header) + 64*len(m.Nodes)
	for _, name := range m.order {
		size += len(m.weights[name].raw) + 16
	}
	g := make([]byte, 0, size+size/8)
	for _, n := range m.Nodes {
		g = appendMessage(g, graphNode, n.bytes())
	}
	g = protowire.AppendTag(g, graphName, protowire.BytesType)
	g = protowire.AppendString(g, "main")
	for _, name := range m.order {
		g = appendMessage(g, graphWeight, m.weights[name].raw)
	}
	for _, v := range m.Inputs {
		g = appendMessage(g, graphInput, v.bytes())
	}
	for _, v := range m.Outputs {
		g = appendMessage(g, graphOutput, v.bytes())
	}
	b := make([]byte, 0, len(g)+len(m.header)+256)
	b = append(b, m.header...)
	b = appendMessage(b, modelGraph, g)
	keys := make([]string, 0, len(m.Metadata))
	for k := range m.Metadata {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		var p []byte
		p = appendMessage(p, 1, []byte(k))
		p = appendMessage(p, 2, []byte(m.Metadata[k]))
		b = appendMessage(b, modelMetadata, p)
	}
	return b
}

func appendMessage(b []byte, num protowire.Number, msg []byte) []byte {
	b = protowire.AppendTag(b, num, protowire.BytesType)
	return protowire.AppendBytes(b, msg)
}

func (n *Node) bytes() []byte {
	var b []byte
	put := func(num protowire.Number, ss ...string) {
		for _, s := range ss {
			b = protowire.AppendTag(b, num, protowire.BytesType)
			b = protowire.AppendString(b, s)
		}
	}
	put(nodeIn, n.In...)
	put(nodeOut, n.Out...)
	put(nodeName, n.Name)
	put(nodeOp, n.Op)
	for _, a := range n.Attrs {
		b = appendMessage(b, nodeAttr, a.raw)
	}
	if n.Domain != "" {
		put(nodeDomain, n.Domain)
	}
	return b
}

func (v Value) bytes() []byte {
	var shape []byte
	for i, d := range v.Dims {
		var dim []byte
		if d >= 0 {
			dim = protowire.AppendTag(dim, 1, protowire.VarintType)
			dim = protowire.AppendVarint(dim, uint64(d))
		} else {
			dim = appendMessage(dim, 2, fmt.Appendf(nil, "%s_%d", v.Name, i))
		}
		shape = appendMessage(shape, 1, dim)
	}
	t := protowire.AppendTag(nil, 1, protowire.VarintType)
	t = protowire.AppendVarint(t, uint64(v.Type))
	if v.Dims != nil {
		t = appendMessage(t, 2, shape)
	}
	b := appendMessage(nil, 1, []byte(v.Name))
	return appendMessage(b, 2, appendMessage(nil, 1, t))
}
