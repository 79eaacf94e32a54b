package gpu

import "repartee/inference/llama/gguf"

// Step is how a model will be used, as far as memory depends on it.
type Step struct {
	Rows    int // most rows of a step
	Outputs int // most rows with logits
	Cells   int // 0 = to be fitted
	Listed  int // rows whose best tokens are found on the card, 0 = none
	// KeyBits and ValueBits are the size of one element of the cache.
	KeyBits, ValueBits float64
	GPULayers          int  // −1 = all
	OnCard             bool // false = all in the host's memory, where a tied embedding lies once
}

// LoadOf makes a plan's entry of what a model's file says. tied models take their
// embedding onto a card a second time, as the head.
func LoadOf(name string, p gguf.Footprint, tied bool, s Step) Load {
	l := Load{
		Name: name, Layers: p.Layers, Output: p.Output, Host: p.Host, Cells: s.Cells, MaxCells: max(p.Context, LeastCells), GPULayers: s.GPULayers,
		CellLayer: uint64((float64(p.KeyWidth)*s.KeyBits + float64(p.ValueWidth)*s.ValueBits) / 8),
	}
	if tied && s.OnCard {
		l.Output += p.Host
	}
	// The widest points of a step's graph, float32, alive at once with the residual
	// stream: the feed-forward layer's two halves and their product beside the mask,
	// a number for each row and cell; or the logits, when the mask is gone.
	rows, width, cells := uint64(s.Rows), uint64(p.Embedding), uint64(s.Cells)
	if cells == 0 {
		cells = uint64(l.MaxCells)
	}
	l.Compute = 4 * max(rows*(3*uint64(p.Feed)+2*width)+rows*cells, uint64(s.Outputs)*uint64(p.Vocabulary)+rows*width)
	// Finding the best tokens sorts the rows, by the pinned library in chunks of 64
	// MiB: numbers and places, both before and behind, and the sort's own room.
	l.Compute += 5 * min(64<<20, 4*uint64(s.Listed)*uint64(p.Vocabulary))
	return l
}
