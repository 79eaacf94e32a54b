package graph

import (
	"math"
	"testing"
)

// quantised is DynamicQuantizeLinear → ConvInteger → Add → Cast → Mul as the
// usual quantiser writes it, of weights (number − 3) · scale.
func quantised() *Model {
	m := New(17)
	m.Inputs = []Value{{"x", Float32, []int64{1, 2, -1}}}
	m.Outputs = []Value{{"y", Float32, nil}}
	m.AddWeight(newTensor("w", uint8Type, []int64{2, 2, 1}, []byte{3, 4, 5, 13}))
	m.AddWeight(newTensor("zero", uint8Type, nil, []byte{3}))
	m.AddWeight(Floats("scale", nil, []float32{0.5}))
	m.AddWeight(Floats("bias", []int64{1, 2, 1}, []float32{7, 8}))
	node := func(op string, in []string, out ...string) {
		m.Nodes = append(m.Nodes, &Node{Name: out[0], Op: op, In: in, Out: out})
	}
	node("DynamicQuantizeLinear", []string{"x"}, "xq", "xs", "xz")
	node("Mul", []string{"xs", "scale"}, "scales")
	node("Div", []string{"bias", "scales"}, "b1")
	node("Floor", []string{"b1"}, "b2")
	node("Cast", []string{"b2"}, "b3")
	node("ConvInteger", []string{"xq", "w", "xz", "zero"}, "c")
	node("Add", []string{"c", "b3"}, "cb")
	node("Cast", []string{"cb"}, "cf")
	node("Mul", []string{"cf", "scales"}, "y")
	return m
}

func TestFloatConvs(t *testing.T) {
	m := quantised()
	if n := m.FloatConvs(); n != 1 {
		t.Fatalf("FloatConvs() = %d, want 1", n)
	}
	if len(m.Nodes) != 1 || m.Nodes[0].Op != "Conv" || m.Nodes[0].Out[0] != "y" || m.Nodes[0].In[0] != "x" || len(m.Nodes[0].In) != 3 {
		t.Fatalf("nodes = %+v", m.Nodes)
	}
	w, _ := m.Weight(m.Nodes[0].In[1])
	got, _ := w.floats()
	for i, want := range []float32{0, 0.5, 1, 5} {
		if math.Abs(float64(got[i]-want)) > 1e-7 {
			t.Errorf("weights = %v, want 0 0.5 1 5", got)
			break
		}
	}
	b, _ := m.Weight(m.Nodes[0].In[2])
	if v, _ := b.floats(); len(b.Dims()) != 1 || v[0] != 7 || v[1] != 8 {
		t.Errorf("bias = %v of %v, want 7 8 of [2]", v, b.Dims())
	}
	f := func(why string, change func(*Model)) {
		t.Helper()
		m := quantised()
		change(m)
		if n := m.FloatConvs(); n != 0 {
			t.Errorf("%s: FloatConvs() = %d, want the convolution left alone", why, n)
		}
	}
	f("weights from elsewhere", func(m *Model) { m.Nodes[5].In[1] = "x" })
	f("input quantised otherwise", func(m *Model) { m.Nodes[0].Op = "QuantizeLinear" })
	f("other scales", func(m *Model) { m.Nodes[8].In[1] = "xs" })
	f("result used twice", func(m *Model) { m.Nodes = append(m.Nodes, &Node{Op: "Cast", In: []string{"cb"}, Out: []string{"z"}}) })
	f("weights too few", func(m *Model) { m.AddWeight(newTensor("w", uint8Type, []int64{2, 2, 1}, []byte{1})) })
}

func TestFloatInputs(t *testing.T) {
	m := New(17)
	m.Inputs = []Value{{"style", Float16, []int64{1}}, {"speed", Int32, []int64{1}}, {"ids", Int64, []int64{1}}}
	m.Outputs = []Value{{"audio", Float16, nil}}
	m.Nodes = []*Node{
		{Op: "Cast", In: []string{"speed"}, Out: []string{"s"}, Attrs: []Attr{IntAttr("to", Float16)}},
		{Op: "Mul", In: []string{"style", "s"}, Out: []string{"audio"}},
	}
	m.FloatInputs("speed")
	for _, v := range append(m.Inputs[:2:2], m.Outputs...) {
		if v.Type != Float32 {
			t.Errorf("%s has type %d, want float32", v.Name, v.Type)
		}
	}
	x := m.Index()
	if n := x.Maker("audio"); n == nil || n.Op != "Cast" {
		t.Errorf("the output is made by %+v, want a Cast", n)
	}
	if n := x.Users("speed"); len(n) != 1 || n[0].Op != "Identity" {
		t.Errorf("the speed goes to %+v, want it kept whole up to the graph's own Cast", n)
	}
	if m.Inputs[2].Type != Int64 {
		t.Error("ids became floats")
	}
	if _, err := Parse(m.Bytes()); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(quantised().Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Parse(b)
		if err != nil {
			return
		}
		m.GemmConvs()
		m.FloatConvs()
		m.FloatInputs("x")
		if _, err := Parse(m.Bytes()); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}
