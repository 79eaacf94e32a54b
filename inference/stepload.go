package inference

import "math/bits"

// stepLoad is what the time of a step depends on.
type stepLoad struct {
	rows     int
	cells    int  // sum over the sequences of the cells that are read for them
	attended int  // sum over the rows of the cells each looks at
	outputs  int  // rows whose logits are computed
	joined   bool // it has another number of rows than the step before: the library builds its graph anew
}

// with adds k rows of a sequence at depth that has none in the step yet.
func (l stepLoad) with(k, depth int) stepLoad {
	l.cells += depth
	return l.more(k, depth)
}

// more adds k rows of a sequence that has others in the step: the cells before them
// are read for those anyway.
func (l stepLoad) more(k, depth int) stepLoad {
	l.rows += k
	l.cells += k
	l.attended += k*depth + k*k/2
	return l
}

// guessing adds k guesses of a sequence at depth.
func (l stepLoad) guessing(k, depth int) stepLoad {
	l = l.more(k, depth)
	l.outputs += k
	return l
}

// decoding is a step of the newest tokens of so many sequences, which hold so many
// cells in all.
func decoding(sequences, held int) stepLoad {
	return stepLoad{rows: sequences, cells: held, attended: held, outputs: sequences}
}

// knots are the numbers of rows whose cost is learned each by itself; between them
// it is a straight line, and behind the last one the same line goes on. Kernels
// change with the rows (one row, a tile of 16 or 32, several tiles), so one price a
// row would be wrong by several times on some machines.
var knots = [...]int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048}

// costs is how many prices a costModel has: one for each knot, one for a thousand
// cells that are read, one for a thousand that are looked at, one for an output, one
// for a new graph.
const (
	reading   = len(knots)
	attending = len(knots) + 1
	output    = len(knots) + 2
	building  = len(knots) + 3
	costs     = len(knots) + 4
)

// term is a feature that may be other than 0.
type term struct {
	i int
	x float64
}

// terms are a load's features: its place between two knots, its cells in thousands,
// its outputs, and whether its graph is new.
func (l stepLoad) terms() [6]term {
	lo := 0
	for lo < len(knots)-2 && l.rows >= knots[lo+1] {
		lo++
	}
	f := float64(l.rows-knots[lo]) / float64(knots[lo+1]-knots[lo])
	if l.rows < 1 {
		f = 0
	}
	built := 0.0
	if l.joined {
		built = 1
	}
	return [6]term{
		{lo, 1 - f}, {lo + 1, f}, {reading, float64(l.cells) / 1000}, {attending, float64(l.attended) / 1000},
		{output, float64(l.outputs)}, {building, built},
	}
}

// kinds is how many kinds of loads are told apart, see stepLoad.kind.
const kinds = 4 * (3 + 2*(len(knots)-2))

// kind is a number for loads that are much alike: about as many rows (all between
// the same two knots), every one with an output or not, its graph new or not.
func (l stepLoad) kind() int {
	rows := min(max(l.rows, 1), knots[len(knots)-1]-1)
	k := rows - 1
	if rows >= 4 {
		octave := bits.Len(uint(rows)) - 1
		k = 3 + 2*(octave-2) + rows>>(octave-1)&1
	}
	k *= 4
	if l.outputs < l.rows {
		k += 2
	}
	if l.joined {
		k++
	}
	return k
}
