package graph

import (
	"fmt"
	"slices"
)

// Index answers questions about who makes and who uses a tensor. It is a
// snapshot: make a new one after changing nodes.
type Index struct {
	m     *Model
	maker map[string]*Node
	users map[string][]*Node
}

// Index builds an index of the model as it stands.
func (m *Model) Index() *Index {
	x := &Index{m: m, maker: make(map[string]*Node, len(m.Nodes)), users: make(map[string][]*Node, len(m.Nodes))}
	for _, n := range m.Nodes {
		for _, o := range n.Out {
			x.maker[o] = n
		}
		for _, i := range n.In {
			if i != "" {
				x.users[i] = append(x.users[i], n)
			}
		}
	}
	return x
}

// Maker is the node that makes the tensor; nil for inputs and initialisers.
func (x *Index) Maker(tensor string) *Node { return x.maker[tensor] }

// Users are the nodes that read the tensor.
func (x *Index) Users(tensor string) []*Node { return x.users[tensor] }

// User is the only reader with the given operation; nil when there is none or
// more than one.
func (x *Index) User(tensor, op string) *Node {
	var found *Node
	for _, n := range x.users[tensor] {
		if n.Op == op {
			if found != nil {
				return nil
			}
			found = n
		}
	}
	return found
}

// After marks every node that depends on one of the tensors.
func (x *Index) After(tensors ...string) map[*Node]bool {
	seen := map[*Node]bool{}
	todo := slices.Clone(tensors)
	for len(todo) > 0 {
		t := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, n := range x.users[t] {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n.Out...)
			}
		}
	}
	return seen
}

// Before marks every node that the tensors depend on, not going past stop.
func (x *Index) Before(tensors []string, stop ...string) map[*Node]bool {
	seen := map[*Node]bool{}
	todo := slices.Clone(tensors)
	for len(todo) > 0 {
		t := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if slices.Contains(stop, t) {
			continue
		}
		n := x.maker[t]
		if n == nil || seen[n] {
			continue
		}
		seen[n] = true
		todo = append(todo, n.In...)
	}
	return seen
}

// Cut makes a model of what lies between inputs and outputs: the nodes that
// the outputs need, not going past the inputs, with their weights. Graph inputs
// that are still reached are kept as inputs behind the given ones. Neither
// nodes nor weights are copied; the part shares them with m.
func (m *Model) Cut(inputs, outputs []Value) (*Model, error) {
	x := m.Index()
	stop := make([]string, len(inputs))
	for i, v := range inputs {
		stop[i] = v.Name
	}
	want := make([]string, len(outputs))
	for i, v := range outputs {
		want[i] = v.Name
		if x.maker[v.Name] == nil {
			return nil, fmt.Errorf("graph: cutting at output %q: no node makes it", v.Name)
		}
	}
	keep := x.Before(want, stop...)
	p := &Model{
		Inputs: slices.Clone(inputs), Outputs: slices.Clone(outputs),
		Metadata: map[string]string{}, weights: map[string]Tensor{}, header: m.header,
	}
	used := map[string]bool{}
	made := map[string]bool{}
	for _, n := range m.Nodes {
		if !keep[n] {
			continue
		}
		p.Nodes = append(p.Nodes, n)
		for _, o := range n.Out {
			made[o] = true
		}
		for _, i := range n.In {
			used[i] = true
		}
	}
	for _, v := range inputs {
		if !used[v.Name] {
			return nil, fmt.Errorf("graph: cutting at input %q: nothing behind the cut reads it", v.Name)
		}
	}
	for _, name := range m.order {
		if used[name] {
			p.AddWeight(m.weights[name])
		}
	}
	for _, v := range m.Inputs {
		if used[v.Name] && !slices.Contains(stop, v.Name) {
			p.Inputs = append(p.Inputs, v)
		}
	}
	for name := range used {
		_, isWeight := p.weights[name]
		_, isInput := find(p.Inputs, name)
		if name != "" && !made[name] && !isWeight && !isInput {
			return nil, fmt.Errorf("graph: cutting: tensor %q has no origin", name)
		}
	}
	return p, nil
}
