package llama

import (
	"fmt"
	"runtime"
)

var errContextClosed = fmt.Errorf("%w: the context is closed", ErrArgument)

const maxThreads = 512

// code is the shim's number of a type, −1 for an unknown one.
func (t KVType) code() int {
	switch t {
	case KVF16, "":
		return 0
	case KVBF16:
		return 1
	case KVF32:
		return 2
	case KVQ8:
		return 3
	case KVQ4:
		return 4
	}
	return -1
}

// checked fills in defaults and refuses what the library would choke on.
func (p ContextParams) checked(m *ModelInfo) (ContextParams, error) {
	if m.Encoder {
		return p, fmt.Errorf("%w: %s models do not generate text", ErrUnsupported, m.Architecture)
	}
	if m.Layers == 0 || m.SizeBytes == 0 {
		return p, fmt.Errorf("%w: only the vocabulary of the model is loaded", ErrUnsupported)
	}
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&p.Cells, max(m.ContextTrain, 512))
	def(&p.Sequences, 1)
	def(&p.Batch, min(2048, p.Cells))
	def(&p.Ubatch, min(512, p.Batch))
	def(&p.Outputs, p.Sequences)
	def(&p.Threads, runtime.NumCPU())
	def(&p.ThreadsBatch, p.Threads)
	if p.TypeK == "" {
		p.TypeK = KVF16
	}
	if p.TypeV == "" {
		p.TypeV = KVF16
	}
	in := func(name string, v, least, most int) error {
		if v < least || v > most {
			return fmt.Errorf("%w: %s %d is outside %d … %d", ErrArgument, name, v, least, most)
		}
		return nil
	}
	for _, err := range []error{
		in("cells", p.Cells, 1, 1<<30),
		in("sequences", p.Sequences, 1, MaxSequences),
		in("batch", p.Batch, 1, 1<<20),
		in("ubatch", p.Ubatch, 1, p.Batch),
		in("outputs", p.Outputs, 1, p.Batch),
		in("threads", p.Threads, 1, maxThreads),
		in("batch threads", p.ThreadsBatch, 1, maxThreads),
		in("flash attention", p.FlashAttn, -1, 1),
	} {
		if err != nil {
			return p, err
		}
	}
	if p.TypeK.code() < 0 || p.TypeV.code() < 0 {
		return p, fmt.Errorf("%w: KV types %q and %q must be f16, bf16, f32, q8_0 or q4_0", ErrArgument, p.TypeK, p.TypeV)
	}
	if p.FlashAttn == 0 && (p.TypeV == KVQ8 || p.TypeV == KVQ4) {
		return p, fmt.Errorf("%w: a V cache of type %s needs flash attention", ErrArgument, p.TypeV)
	}
	return p, nil
}

// kvBytes is what the KV cache takes; for models with a sliding window, whose
// layers may keep less, it is the most.
func (p ContextParams) kvBytes(m *ModelInfo) uint64 {
	if m.Heads == 0 || m.Recurrent || m.Hybrid {
		return 0
	}
	width := uint64(m.Embedding/m.Heads) * uint64(m.HeadsKV)
	each := width*p.TypeK.bits()/8 + width*p.TypeV.bits()/8
	const bookkeeping = 64 // what the library keeps of a cell
	return uint64(p.Cells) * (uint64(m.Layers)*each + bookkeeping)
}

// bits is the size of one element, in eighths of a byte.
func (t KVType) bits() uint64 {
	switch t {
	case KVF32:
		return 32
	case KVQ8:
		return 9 // 34 bytes for 32 elements
	case KVQ4:
		return 5 // 18 bytes for 32 elements
	}
	return 16
}

// fits refuses a cache larger than all memory there is: the library would take
// minutes to find out, or the kernel would end the process.
func (p ContextParams) fits(m *ModelInfo, devices []DeviceInfo) error {
	need, have := p.kvBytes(m), uint64(0)
	for _, d := range devices {
		have += d.TotalBytes
	}
	if m.SlidingWindow > 0 && !p.SWAFull {
		need /= 4
	}
	if have > 0 && need > have {
		return fmt.Errorf("%w: %d cells take %d MiB, the machine has %d MiB", ErrContextAlloc, p.Cells, need>>20, have>>20)
	}
	return nil
}
