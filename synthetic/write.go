package synthetic

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"repartee/inference/llama/gguf"
)

// Write makes a model of the shape at path, with the vocabulary from the models
// folder of a llama.cpp tree. layers thins it, 0 keeps all. The same seed makes
// the same file. It is written beside path and moved there when complete.
func (s Shape) Write(path, vocabularies string, layers int, seed uint64) (err error) {
	if layers < 0 || layers > s.Layers {
		return fmt.Errorf("synthetic: %s has %d layers, not %d", s.Name, s.Layers, layers)
	}
	if layers > 0 {
		s.Layers = layers
	}
	vocabulary, err := gguf.Open(filepath.Join(vocabularies, s.Vocabulary))
	if err != nil {
		return fmt.Errorf("synthetic: the vocabulary of %s: %w", s.Name, err)
	}
	out, err := os.CreateTemp(filepath.Dir(path), ".synthetic-*")
	if err != nil {
		return fmt.Errorf("synthetic: %w", err)
	}
	defer func() {
		out.Close()
		if err != nil {
			os.Remove(out.Name())
		}
	}()
	w := bufio.NewWriterSize(out, 1<<20)
	b := s.head(vocabulary)
	if err := b.Stream(w, s.tensors(vocabulary.Meta["tokenizer.ggml.tokens"].Len()), newFiller(seed).fill); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("synthetic: %w", err)
	}
	if err := out.Chmod(0o644); err != nil {
		return fmt.Errorf("synthetic: %w", err)
	}
	return os.Rename(out.Name(), path)
}

// head takes over the vocabulary and says the shape's own sizes.
func (s Shape) head(vocabulary *gguf.File) *gguf.Builder {
	arch := vocabulary.Meta["general.architecture"].Text
	b := &gguf.Builder{}
	b.String("general.architecture", arch)
	b.String("general.name", s.Name+"-shaped, random weights")
	for _, k := range []struct {
		key string
		n   int
	}{
		{"block_count", s.Layers}, {"embedding_length", s.Embedding}, {"feed_forward_length", s.Feed}, {"context_length", s.Context},
		{"attention.head_count", s.Heads}, {"attention.head_count_kv", s.HeadsKV}, {"rope.dimension_count", s.Embedding / s.Heads},
	} {
		b.Uint32(arch+"."+k.key, uint32(k.n))
	}
	b.Float32(arch+".attention.layer_norm_rms_epsilon", 1e-5)
	b.Float32(arch+".rope.freq_base", s.RopeBase)
	kind := uint32(2) // LLAMA_FTYPE_MOSTLY_Q4_0
	if s.Mixed {
		kind = 15 // LLAMA_FTYPE_MOSTLY_Q4_K_M
	}
	b.Uint32("general.file_type", kind)
	b.Uint32("general.quantization_version", 2)
	if arch == "phi3" {
		b.Uint32("phi3.rope.scaling.original_context_length", uint32(s.Context))
	}
	for _, key := range vocabulary.Keys {
		if strings.HasPrefix(key, "tokenizer.") {
			b.Put(key, vocabulary.Meta[key])
		}
	}
	return b
}

// filler makes weights. A pool of random blocks of each type is made once and
// written over and over from random places: that is as good for measuring as new
// numbers, and as fast as the disk.
type filler struct {
	random *rand.Rand
	pools  map[uint32][]byte
}

func newFiller(seed uint64) *filler {
	return &filler{random: rand.New(rand.NewPCG(seed, 7)), pools: map[uint32][]byte{}}
}

const poolBlocks = 1 << 14

func (f *filler) fill(w io.Writer, t gguf.Tensor, bytes int64) error {
	if t.Type == gguf.F32 {
		return f.floats(w, t, bytes)
	}
	pool, ok := f.pools[t.Type]
	if !ok {
		pool = f.pool(t.Type)
		f.pools[t.Type] = pool
	}
	_, size, err := gguf.Block(t.Type)
	if err != nil {
		return err
	}
	for bytes > 0 {
		at := f.random.Int64N(poolBlocks) * size
		n := min(int64(len(pool))-at, bytes)
		if _, err := w.Write(pool[at : at+n]); err != nil {
			return err
		}
		bytes -= n
	}
	return nil
}

// floats writes ones for norms and nearly nothing for biases.
func (f *filler) floats(w io.Writer, t gguf.Tensor, bytes int64) error {
	value := float32(1)
	if strings.HasSuffix(t.Name, ".bias") {
		value = 0.01
	}
	buf := make([]byte, bytes)
	for i := 0; i < len(buf); i += 4 {
		binary.LittleEndian.PutUint32(buf[i:], math.Float32bits(value))
	}
	_, err := w.Write(buf)
	return err
}

// pool makes blocks whose values have a deviation of about 0.02, as trained
// weights have: random bytes where the format has numbers, fixed half-precision
// scales where random ones could be infinite.
func (f *filler) pool(kind uint32) []byte {
	_, size, err := gguf.Block(kind)
	if err != nil {
		return nil
	}
	pool := make([]byte, poolBlocks*size)
	for i := range pool {
		pool[i] = byte(f.random.Uint32())
	}
	half := func(at int64, v uint16) { binary.LittleEndian.PutUint16(pool[at:], v) }
	for b := int64(0); b < int64(len(pool)); b += size {
		switch kind {
		case gguf.Q4_0: // scale, then nibbles − 8
			half(b, 0x1c66) // 0.0043
		case gguf.Q4K: // scale, minimum, 12 bytes of 6-bit scales, nibbles
			half(b, 0x07dd)   // 0.00012
			half(b+2, 0x1360) // 0.0009, so that the mean is near zero
		case gguf.Q6K: // 6-bit numbers, 16 signed scales, scale
			half(b+208, 0x00f5) // 0.0000146
		}
	}
	return pool
}
