package gguf

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
)

func sample() []byte {
	var b Builder
	b.String("general.architecture", "llama")
	b.Uint32("llama.block_count", 2)
	b.Float32("llama.rope.freq_base", 1e4)
	b.Bool("tokenizer.ggml.add_bos_token", true)
	b.Strings("tokenizer.ggml.tokens", []string{"a", "", "Ġb"})
	b.Int32s("tokenizer.ggml.token_type", []int32{1, -3, 1})
	b.Float32s("tokenizer.ggml.scores", []float32{0.5})
	b.Tensor("token_embd.weight", []int64{4, 3}, func(i int) float32 { return float32(i) })
	b.Tensor("output.weight", []int64{2}, func(int) float32 { return 1 })
	return b.Bytes()
}

func TestReadBack(t *testing.T) {
	data := sample()
	f, err := Read(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("Read(sample) = %v", err)
	}
	if got := strings.Join(f.Meta["tokenizer.ggml.tokens"].Strings, "|"); got != "a||Ġb" {
		t.Errorf("tokens = %q, want a||Ġb", got)
	}
	if n, ok := f.Meta["llama.block_count"].Int(); !ok || n != 2 {
		t.Errorf("block_count = %d, %v, want 2", n, ok)
	}
	if got := int64(f.Meta["tokenizer.ggml.token_type"].Numbers[1]); got != -3 {
		t.Errorf("token_type[1] = %d, want -3", got)
	}
	if got := math.Float32frombits(uint32(f.Meta["llama.rope.freq_base"].Bits)); got != 1e4 {
		t.Errorf("freq_base = %v, want 10000", got)
	}
	if len(f.Tensors) != 2 || f.Tensors[0].Shape[1] != 3 || f.Tensors[1].Offset != 64 || f.Data%32 != 0 || f.Data+64+32 != f.Size {
		t.Errorf("tensors = %+v at %d of %d, want two, the second at 64", f.Tensors, f.Data, f.Size)
	}
}

func TestEveryCutOfTheHeadIsRefused(t *testing.T) {
	data := sample()
	f, _ := Read(bytes.NewReader(data), int64(len(data)))
	for n := range int(f.Data) {
		if _, err := Read(bytes.NewReader(data[:n]), int64(n)); !errors.Is(err, ErrFormat) {
			t.Errorf("Read(first %d of %d bytes) = %v, want ErrFormat", n, len(data), err)
		}
	}
}

func TestAbsurdClaims(t *testing.T) {
	f := func(name string, change func(d []byte), want string) {
		t.Helper()
		d := sample()
		change(d)
		_, err := Read(bytes.NewReader(d), int64(len(d)))
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: Read = %v, want ErrFormat with %q", name, err, want)
		}
	}
	fill := func(d []byte, at, n int) {
		for i := range n {
			d[at+i] = 0x7f
		}
	}
	f("magic", func(d []byte) { d[0] = 'g' }, "GGUF")
	f("version", func(d []byte) { d[4] = 9 }, "version 9")
	f("big-endian", func(d []byte) { d[4], d[7] = 0, 3 }, "big-endian")
	f("tensor count", func(d []byte) { fill(d, 8, 8) }, "tensors")
	f("key count", func(d []byte) { fill(d, 16, 8) }, "metadata entries")
	f("key length", func(d []byte) { fill(d, 24, 8) }, "metadata entry 0: it claims a text")
	f("value type", func(d []byte) { d[24+8+20] = 77 }, "unknown type 77")
	f("array length", func(d []byte) {
		at := bytes.Index(d, []byte("ggml.tokens")) + len("ggml.tokens") + 8
		fill(d, at, 8)
	}, "elements of type 8")
	f("dimensions", func(d []byte) { d[bytes.Index(d, []byte("token_embd"))+17] = 200 }, "200 dimensions")
	f("offset", func(d []byte) { fill(d, bytes.Index(d, []byte("output.weight"))+13+4+8+4+1, 6) }, "cut short")
}

func FuzzRead(f *testing.F) {
	f.Add(sample())
	f.Add([]byte("GGUF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("Read = %v, want an error that wraps ErrFormat", err)
			}
			return
		}
		if len(file.Keys) != len(file.Meta) {
			t.Errorf("%d keys, %d values", len(file.Keys), len(file.Meta))
		}
	})
}
