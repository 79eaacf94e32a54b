package voice

import (
	"fmt"
	"slices"

	"repartee/tts/onnx/graph"
)

// vitsParts are the three parts of a VITS graph. Between the first and the
// second the durations are applied and the noise is added, in Go: that is what
// makes a reading repeatable, its length exact, and its timing known.
type vitsParts struct {
	// text: phonemes → durations in frames (not rounded, at length scale 1),
	// mean and log-deviation of the latent, all per phoneme.
	text *graph.Model
	// flow: latent → spectrum-like frames. Convolutional.
	flow *graph.Model
	// vocoder: frames → samples. Convolutional. Its first upsampling is head and
	// the rest tail: what a sample depends on is far away in frames, but near in
	// the steps between the two. A vocoder with one upsampling is all tail.
	head, tail *graph.Model

	channels    int64  // of the latent and the frames
	midChannels int64  // between head and tail
	noiseIn     string // of text: float[1, noiseRows, L]; "" = no noise there
	noiseRows   int64
	// How far a result depends on its input, each side, in steps of the input.
	flowRadius, headRadius, tailRadius int
}

// cutVITS finds the borders of the parts by the shape of the graph, because
// node names differ from voice to voice.
func cutVITS(m *graph.Model, phonemes []string) (*vitsParts, error) {
	x := m.Index()
	p := &vitsParts{noiseRows: 2}
	if len(m.Outputs) == 0 {
		return nil, fmt.Errorf("no outputs")
	}
	out := m.Outputs[0]

	// The latent's noise: noise · exp(logs) · scale + mean, where mean and
	// logs are what the durations have stretched.
	var ceil *graph.Node
	var latent, durNoise []*graph.Node
	for _, n := range m.Nodes {
		switch n.Op {
		case "Ceil":
			if ceil != nil {
				return nil, fmt.Errorf("two Ceil nodes")
			}
			ceil = n
		}
	}
	if ceil == nil {
		return nil, fmt.Errorf("no Ceil node: durations not found")
	}
	stretched := x.After(ceil.Out...)
	for _, n := range m.Nodes {
		if n.Op == "RandomNormalLike" {
			if stretched[n] {
				latent = append(latent, n)
			} else {
				durNoise = append(durNoise, n)
			}
		}
	}
	if len(latent) != 1 || len(durNoise) > 1 {
		return nil, fmt.Errorf("%d noise nodes behind the durations and %d before, want 1 and at most 1", len(latent), len(durNoise))
	}
	mean := latent[0].In[0]
	mul := x.User(latent[0].Out[0], "Mul")
	if mul == nil {
		return nil, fmt.Errorf("the latent's noise is not multiplied once")
	}
	exp := x.Maker(mul.Other(latent[0].Out[0]))
	if exp == nil || exp.Op != "Exp" {
		return nil, fmt.Errorf("the latent's noise is not multiplied by an Exp")
	}
	scaled := x.User(mul.Out[0], "Mul")
	if scaled == nil {
		return nil, fmt.Errorf("the latent's noise is not scaled")
	}
	sum := x.User(scaled.Out[0], "Add")
	if sum == nil || sum.Other(scaled.Out[0]) != mean {
		return nil, fmt.Errorf("the latent's noise is not added to its mean")
	}
	meanIn, err := unstretched(x, mean)
	if err != nil {
		return nil, err
	}
	logsIn, err := unstretched(x, exp.In[0])
	if err != nil {
		return nil, err
	}
	duration, err := unscaled(x, ceil)
	if err != nil {
		return nil, err
	}

	frames := vocoderInput(m, x)
	if frames == "" {
		return nil, fmt.Errorf("the vocoder was not found")
	}
	p.channels = channelsOf(m, x, frames)
	if p.channels <= 0 {
		return nil, fmt.Errorf("the vocoder's input width is not known")
	}
	float := func(name string, dims ...int64) graph.Value {
		return graph.Value{Name: name, Type: graph.Float32, Dims: dims}
	}
	c := p.channels
	var textIn []graph.Value
	if len(durNoise) == 1 {
		p.noiseIn = durNoise[0].Out[0]
		textIn = append(textIn, float(p.noiseIn, 1, p.noiseRows, -1))
	}
	p.text, err = m.Cut(textIn, []graph.Value{float(duration, 1, 1, -1), float(meanIn, 1, c, -1), float(logsIn, 1, c, -1)})
	if err != nil {
		return nil, err
	}
	z := sum.Out[0]
	mask, err := frontier(x, z, frames, stretched)
	if err != nil {
		return nil, err
	}
	p.flow, err = m.Cut([]graph.Value{float(z, 1, c, -1), float(mask, 1, 1, -1)}, []graph.Value{float(frames, 1, c, -1)})
	if err != nil {
		return nil, err
	}
	if err := p.cutVocoder(m, x, frames, out); err != nil {
		return nil, err
	}
	for _, part := range []*graph.Model{p.flow, p.head, p.tail} {
		if part == nil {
			continue
		}
		for _, in := range part.Inputs {
			if slices.Contains(phonemes, in.Name) {
				return nil, fmt.Errorf("a part behind the durations still reads %q", in.Name)
			}
		}
	}
	p.flowRadius = int(p.flow.Radius(z, frames) + 0.999)
	return p, nil
}

// cutVocoder cuts what lies between frames and out in front of the second
// upsampling.
func (p *vitsParts) cutVocoder(m *graph.Model, x *graph.Index, frames string, out graph.Value) (err error) {
	float := func(name string, c int64) []graph.Value {
		return []graph.Value{{Name: name, Type: graph.Float32, Dims: []int64{1, c, -1}}}
	}
	mid := frames
	p.midChannels = p.channels
	ups := 0
	for _, n := range m.Nodes {
		if n.Op != "ConvTranspose" {
			continue
		}
		if ups++; ups < 2 {
			continue
		}
		w, _ := m.Weight(n.In[1])
		before := x.Maker(n.In[0])
		if before != nil && before.Op == "LeakyRelu" && len(w.Dims()) == 3 && len(x.Users(before.In[0])) == 1 {
			mid, p.midChannels = before.In[0], w.Dims()[0]
		}
		break
	}
	if mid != frames {
		if p.head, err = m.Cut(float(frames, p.channels), float(mid, p.midChannels)); err != nil {
			return err
		}
		p.headRadius = int(p.head.Radius(frames, mid) + 0.999)
	}
	if p.tail, err = m.Cut(float(mid, p.midChannels), []graph.Value{out}); err != nil {
		return err
	}
	p.tailRadius = int(p.tail.Radius(mid, out.Name) + 0.999)
	return nil
}

// unstretched goes back from Transpose(MatMul(path, Transpose(t))) to t.
func unstretched(x *graph.Index, tensor string) (string, error) {
	t1 := x.Maker(tensor)
	if t1 == nil || t1.Op != "Transpose" {
		return "", fmt.Errorf("the latent is not stretched by a transposed product")
	}
	mm := x.Maker(t1.In[0])
	if mm == nil || mm.Op != "MatMul" {
		return "", fmt.Errorf("the latent is not stretched by a product")
	}
	t2 := x.Maker(mm.In[1])
	if t2 == nil || t2.Op != "Transpose" {
		return "", fmt.Errorf("the stretched latent is not channel by channel")
	}
	return t2.In[0], nil
}

// unscaled goes back from Ceil(duration · length_scale) to duration: of the
// two factors the one that depends on more than the scale.
func unscaled(x *graph.Index, ceil *graph.Node) (string, error) {
	mul := x.Maker(ceil.In[0])
	if mul == nil || mul.Op != "Mul" {
		return "", fmt.Errorf("durations are not multiplied by the length scale")
	}
	for i, in := range mul.In {
		if m := x.Maker(in); m == nil || m.Op == "Gather" || m.Op == "Reshape" || m.Op == "Unsqueeze" {
			return mul.In[1-i], nil
		}
	}
	return "", fmt.Errorf("no length scale in the durations")
}

// vocoderInput is the input of the first convolution of the vocoder: the last
// Conv before the first ConvTranspose.
func vocoderInput(m *graph.Model, x *graph.Index) string {
	for _, n := range m.Nodes {
		if n.Op != "ConvTranspose" {
			continue
		}
		t := n.In[0]
		for range 8 {
			p := x.Maker(t)
			if p == nil {
				return ""
			}
			if p.Op == "Conv" {
				return p.In[0]
			}
			t = p.In[0]
		}
		return ""
	}
	return ""
}

func channelsOf(m *graph.Model, x *graph.Index, tensor string) int64 {
	for _, n := range x.Users(tensor) {
		if n.Op == "Conv" && len(n.In) > 1 {
			if w, ok := m.Weight(n.In[1]); ok && len(w.Dims()) >= 2 {
				return w.Dims()[1]
			}
		}
	}
	return 0
}

// frontier is the one tensor beside z that what lies between z and frames
// takes over from the stretched part: the mask, all ones for a single text.
func frontier(x *graph.Index, z, frames string, stretched map[*graph.Node]bool) (string, error) {
	behind := x.After(z)
	mask := ""
	for n := range x.Before([]string{frames}, z) {
		if !behind[n] {
			continue
		}
		for _, in := range n.In {
			m := x.Maker(in)
			if in == z || m == nil || behind[m] || !stretched[m] {
				continue
			}
			if mask != "" && mask != in {
				return "", fmt.Errorf("the flow takes over both %q and %q", mask, in)
			}
			mask = in
		}
	}
	if mask == "" {
		return "", fmt.Errorf("the flow has no mask")
	}
	return mask, nil
}
