package gpu

import (
	"errors"
	"fmt"
)

// ErrFull means that a card's memory cannot hold what is asked for.
var ErrFull = errors.New("gpu: not enough memory")

// Load is what one model asks for. Bytes are those of the tensors as they lie in
// the file.
type Load struct {
	Name string
	// Layers are the repeating layers from first to last; the last ones go to
	// the card first. Output is the head behind them, Host what stays in the
	// host's memory whatever is chosen (the token embedding).
	Layers []uint64
	Output uint64
	Host   uint64
	// CellLayer is the K and V of one cell in one layer.
	CellLayer uint64
	// Compute are the buffers of a step.
	Compute uint64
	// Cells wanted; 0 = as many as fit, at most MaxCells.
	Cells, MaxCells int
	// GPULayers wanted, the head counted as one more; −1 = as many as fit.
	GPULayers int
	// Draft guesses for it, nil = nothing does: it gets as many cells, and no more
	// layers on the card. Its own Cells, MaxCells, GPULayers and Draft mean nothing.
	Draft *Load
}

// Part is something else that lies on the card, such as a voice.
type Part struct {
	Name  string
	Bytes uint64
}

// Want is everything that is to share one card.
type Want struct {
	Card    string // for the table
	Total   uint64
	Free    uint64
	Models  []Load
	Parts   []Part
	Reserve uint64 // kept free for the driver's context, libraries' workspaces and others; 0 = Reserve(Total)
}

// LeastCells is the smallest context that is chosen by itself: below it a
// conversation does not fit, and layers go to the host instead.
const LeastCells = 4096

// Reserve is what is kept free of a card: the driver's context and cuBLAS take
// half a gigabyte, and memory is handed out in pieces.
func Reserve(total uint64) uint64 { return max(512<<20, total/50) }

// Fit is one model's outcome. Bytes are of the card's memory, or of the host's.
type Fit struct {
	Name        string `json:"name"`
	GPULayers   int    `json:"gpu_layers"` // to hand to llama.cpp; the head counts as one
	AllLayers   int    `json:"all_layers"`
	Cells       int    `json:"cells"`
	Weights     uint64 `json:"weights_bytes"`
	KV          uint64 `json:"kv_bytes"`
	Compute     uint64 `json:"compute_bytes"`
	HostWeights uint64 `json:"host_weights_bytes"`
	HostKV      uint64 `json:"host_kv_bytes"`
	Draft       *Fit   `json:"draft,omitempty"`
}

// Own is the sum on the card without the draft.
func (f Fit) Own() uint64 { return f.Weights + f.KV + f.Compute }

// Card is the sum on the card with the draft.
func (f Fit) Card() uint64 {
	if f.Draft == nil {
		return f.Own()
	}
	return f.Own() + f.Draft.Own()
}

// Each is every model of the plan, drafts behind theirs.
func (p Plan) Each(yield func(Fit) bool) {
	for _, f := range p.Models {
		if !yield(f) || f.Draft != nil && !yield(*f.Draft) {
			return
		}
	}
}

// Plan is what goes where.
type Plan struct {
	Want   Want
	Models []Fit
}

// Need is what the plan takes of the card, the reserve included.
func (p Plan) Need() uint64 {
	n := p.Want.Reserve
	for _, m := range p.Models {
		n += m.Card()
	}
	for _, s := range p.Want.Parts {
		n += s.Bytes
	}
	return n
}

// Fits says whether the card holds the plan.
func (p Plan) Fits() bool { return p.Need() <= p.Want.Free }

// Fit plans: all layers with the full context where that fits, then a smaller
// context, then fewer layers, beginning with the last model. What the caller
// fixed stays as it is; when it cannot, the error wraps ErrFull, holds the
// numbers, and the plan that did not fit is returned beside it.
func (w Want) Fit() (Plan, error) {
	if w.Reserve == 0 {
		w.Reserve = Reserve(w.Total)
	}
	p := Plan{Want: w}
	for _, m := range w.Models {
		p.Models = append(p.Models, m.place(m.all(), m.most()))
	}
	for i := len(p.Models) - 1; i >= 0 && !p.Fits(); i-- {
		if m := w.Models[i]; m.Cells == 0 {
			p.Models[i] = m.place(p.Models[i].GPULayers, p.cellsFor(i))
		}
	}
	for i := len(p.Models) - 1; i >= 0 && !p.Fits(); i-- {
		m := w.Models[i]
		for m.GPULayers < 0 && p.Models[i].GPULayers > 0 && !p.Fits() {
			p.Models[i] = m.place(p.Models[i].GPULayers-1, p.Models[i].Cells)
		}
		// Cells that the last layer's going has made room for.
		if m.Cells == 0 && p.Fits() && p.Models[i].GPULayers > 0 {
			p.Models[i] = m.place(p.Models[i].GPULayers, p.cellsFor(i))
		}
	}
	if !p.Fits() {
		return p, fmt.Errorf("%w on %s: needs %s, free %s of %s: %s too little", ErrFull, w.Card, mib(p.Need()), mib(w.Free), mib(w.Total), mib(p.Need()-w.Free))
	}
	return p, nil
}

// cellsFor is the most cells of model i for which the rest of the plan leaves
// room, in steps of 256 between LeastCells and what the model can use.
func (p Plan) cellsFor(i int) int {
	m, f := p.Want.Models[i], p.Models[i]
	others := p.Need() - f.KV
	each := m.CellLayer * uint64(f.cardLayers())
	if m.Draft != nil {
		others -= f.Draft.KV
		each += m.Draft.CellLayer * uint64(f.Draft.cardLayers())
	}
	if each == 0 || others >= p.Want.Free {
		return min(LeastCells, m.most())
	}
	fit := min((p.Want.Free-others)/each, uint64(m.most()))
	return max(int(fit)/256*256, min(LeastCells, m.most()))
}

// all is the number of layers to begin with.
func (m Load) all() int {
	if m.GPULayers < 0 || m.GPULayers > len(m.Layers)+1 {
		return len(m.Layers) + 1
	}
	return m.GPULayers
}

func (m Load) most() int {
	if m.Cells > 0 {
		return m.Cells
	}
	return m.MaxCells
}

// cardLayers are the repeating layers on the card: the head goes there first.
func (f Fit) cardLayers() int { return min(max(f.GPULayers-1, 0), f.AllLayers-1) }

// place computes what n layers and a context take.
func (m Load) place(n, cells int) Fit {
	f := Fit{Name: m.Name, GPULayers: n, AllLayers: len(m.Layers) + 1, Cells: cells, HostWeights: m.Host}
	card := f.cardLayers()
	for i, b := range m.Layers {
		if i >= len(m.Layers)-card {
			f.Weights += b
		} else {
			f.HostWeights += b
		}
	}
	if n > 0 {
		f.Weights += m.Output
		f.Compute = m.Compute
	} else {
		f.HostWeights += m.Output
	}
	f.KV = m.CellLayer * uint64(card) * uint64(cells)
	f.HostKV = m.CellLayer * uint64(len(m.Layers)-card) * uint64(cells)
	if m.Draft != nil {
		d := m.Draft.place(min(n, len(m.Draft.Layers)+1), cells)
		f.Draft = &d
	}
	return f
}

func mib(b uint64) string { return fmt.Sprintf("%d MiB", (b+1<<19)>>20) }
