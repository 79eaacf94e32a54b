package voice

import (
	"math"
	"math/rand/v2"
	"sync"
)

// noise is a seeded source of normally distributed numbers. The numbers of a
// seed are made once and kept, because nearly all requests use the same seed.
type noise struct {
	mu   sync.Mutex
	seed uint64
	data []float32
	src  *rand.Rand
}

// maxKeptNoise bounds what is kept: 192 channels × 3000 frames.
const maxKeptNoise = 192 * 3000

// fill writes the first len(dst) numbers of the seed to dst.
func (n *noise) fill(dst []float32, seed uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.src == nil || n.seed != seed {
		n.seed, n.data, n.src = seed, n.data[:0], rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))
	}
	for len(n.data) < min(len(dst), maxKeptNoise) {
		n.data = append(n.data, float32(n.src.NormFloat64()))
	}
	k := copy(dst, n.data)
	if k < len(dst) { // longer than any utterance: from a source of its own
		src := rand.New(rand.NewPCG(seed, uint64(k)))
		for ; k < len(dst); k++ {
			dst[k] = float32(src.NormFloat64())
		}
	}
}

func exp32(x float32) float32 { return float32(math.Exp(float64(x))) }
