package graph

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Element types of tensors, as ONNX numbers them.
const (
	Float32 = 1
	Int32   = 6
	Int64   = 7
	Bool    = 9
	Float16 = 10
)

// Model is an ONNX file taken apart. It aliases the bytes given to Parse.
type Model struct {
	Inputs   []Value // graph inputs that are not initialisers
	Outputs  []Value
	Nodes    []*Node
	Metadata map[string]string
	// weights are initialisers by name, still in wire format.
	weights map[string]Tensor
	order   []string // of weights, as in the file
	header  []byte   // fields of the file that are kept as they are
}

// Node is one operation.
type Node struct {
	Name, Op, Domain string
	In, Out          []string // an empty input is an omitted optional one
	Attrs            []Attr
}

// Attr is an attribute of a node, in wire format.
type Attr struct {
	Name string
	raw  []byte
}

// Value is an input or output of a graph. A dimension of -1 is open; without
// Dims the rank is open too.
type Value struct {
	Name string
	Type int
	Dims []int64
}

// Tensor is an initialiser in wire format.
type Tensor struct {
	Name string
	raw  []byte
}

// Field numbers of the messages, from onnx.proto.
const (
	modelOpset    = 8
	modelGraph    = 7
	modelMetadata = 14

	graphNode   = 1
	graphName   = 2
	graphWeight = 5
	graphInput  = 11
	graphOutput = 12

	nodeIn, nodeOut, nodeName, nodeOp, nodeAttr, nodeDomain = 1, 2, 3, 4, 5, 7

	maxNodes = 1 << 20
)

// field is one field of a message: its number and, by wire type, its value.
type field struct {
	num   protowire.Number
	kind  protowire.Type
	bytes []byte // of a length-delimited field
	n     uint64 // of a varint or fixed one
	whole []byte // tag included
}

// fields calls f for every field of message b and stops at its first error.
func fields(b []byte, f func(field) error) error {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		v := field{num: num, kind: kind}
		m := 0
		switch kind {
		case protowire.BytesType:
			v.bytes, m = protowire.ConsumeBytes(b[n:])
		case protowire.VarintType:
			v.n, m = protowire.ConsumeVarint(b[n:])
		case protowire.Fixed32Type:
			var x uint32
			x, m = protowire.ConsumeFixed32(b[n:])
			v.n = uint64(x)
		case protowire.Fixed64Type:
			v.n, m = protowire.ConsumeFixed64(b[n:])
		default:
			return fmt.Errorf("field %d has wire type %d", num, kind)
		}
		if m < 0 {
			return protowire.ParseError(m)
		}
		v.whole = b[:n+m]
		if err := f(v); err != nil {
			return err
		}
		b = b[n+m:]
	}
	return nil
}

// Parse takes an ONNX file apart. The model aliases b.
func Parse(b []byte) (*Model, error) {
	m := &Model{weights: map[string]Tensor{}, Metadata: map[string]string{}}
	seen := false
	err := fields(b, func(f field) error {
		switch {
		case f.num == modelGraph && f.kind == protowire.BytesType:
			if seen {
				return fmt.Errorf("two graphs in one file")
			}
			seen = true
			return m.parseGraph(f.bytes)
		case f.num == modelMetadata && f.kind == protowire.BytesType:
			return m.parseMetadata(f.bytes)
		}
		m.header = append(m.header, f.whole...)
		return nil
	})
	if err == nil && !seen {
		err = fmt.Errorf("no graph in the file")
	}
	if err != nil {
		return nil, fmt.Errorf("graph: reading ONNX: %w", err)
	}
	m.Inputs = slices.DeleteFunc(m.Inputs, func(v Value) bool {
		_, is := m.weights[v.Name]
		return is
	})
	return m, nil
}

func (m *Model) parseMetadata(b []byte) error {
	var key, value string
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			key = string(f.bytes)
		case 2:
			value = string(f.bytes)
		}
		return nil
	})
	m.Metadata[key] = value
	return err
}

func (m *Model) parseGraph(b []byte) error {
	return fields(b, func(f field) error {
		if f.kind != protowire.BytesType {
			return nil
		}
		switch f.num {
		case graphNode:
			n, err := parseNode(f.bytes)
			if err != nil {
				return err
			}
			if len(m.Nodes) >= maxNodes {
				return fmt.Errorf("more than %d nodes", maxNodes)
			}
			m.Nodes = append(m.Nodes, n)
		case graphWeight:
			t, err := parseTensor(f.bytes)
			if err != nil {
				return err
			}
			m.AddWeight(t)
		case graphInput, graphOutput:
			v, err := parseValue(f.bytes)
			if err != nil {
				return err
			}
			if f.num == graphInput {
				m.Inputs = append(m.Inputs, v)
			} else {
				m.Outputs = append(m.Outputs, v)
			}
		}
		return nil
	})
}

func parseNode(b []byte) (*Node, error) {
	n := &Node{}
	err := fields(b, func(f field) error {
		switch f.num {
		case nodeIn:
			n.In = append(n.In, string(f.bytes))
		case nodeOut:
			n.Out = append(n.Out, string(f.bytes))
		case nodeName:
			n.Name = string(f.bytes)
		case nodeOp:
			n.Op = string(f.bytes)
		case nodeDomain:
			n.Domain = string(f.bytes)
		case nodeAttr:
			a := Attr{raw: f.bytes}
			err := fields(f.bytes, func(g field) error {
				if g.num == 1 {
					a.Name = string(g.bytes)
				}
				return nil
			})
			n.Attrs = append(n.Attrs, a)
			return err
		}
		return nil
	})
	return n, err
}

func parseTensor(b []byte) (Tensor, error) {
	t := Tensor{raw: b}
	err := fields(b, func(f field) error {
		if f.num == tensorName {
			t.Name = string(f.bytes)
		}
		return nil
	})
	return t, err
}

// parseValue reads a ValueInfoProto: name(1), type(2){tensor(1){elem(1),
// shape(2){dim(1){value(1), param(2)}}}}.
func parseValue(b []byte) (Value, error) {
	v := Value{}
	dim := func(f field) error {
		if f.num != 1 {
			return nil
		}
		d := int64(-1)
		err := fields(f.bytes, func(g field) error {
			if g.num == 1 {
				d = int64(g.n)
			}
			return nil
		})
		v.Dims = append(v.Dims, d)
		return err
	}
	tensor := func(f field) error {
		switch f.num {
		case 1:
			v.Type = int(f.n)
		case 2:
			return fields(f.bytes, dim)
		}
		return nil
	}
	err := fields(b, func(f field) error {
		switch f.num {
		case 1:
			v.Name = string(f.bytes)
		case 2:
			return fields(f.bytes, func(g field) error {
				if g.num == 1 {
					return fields(g.bytes, tensor)
				}
				return nil
			})
		}
		return nil
	})
	return v, err
}

// Input finds a graph input by name.
func (m *Model) Input(name string) (Value, bool) { return find(m.Inputs, name) }

// Output finds a graph output by name.
func (m *Model) Output(name string) (Value, bool) { return find(m.Outputs, name) }

func find(vs []Value, name string) (Value, bool) {
	for _, v := range vs {
		if v.Name == name {
			return v, true
		}
	}
	return Value{}, false
}
