package gguf

import (
	"encoding/binary"
	"math"
)

// Builder makes small GGUF files in memory, for tests and tools.
type Builder struct {
	keys, tensors int
	meta, list    []byte
	data          []byte
}

const alignment = 32

func (b *Builder) key(name string, k Kind) {
	b.keys++
	b.meta = appendText(b.meta, name)
	b.meta = binary.LittleEndian.AppendUint32(b.meta, uint32(k))
}

// Uint32 adds a number.
func (b *Builder) Uint32(name string, v uint32) {
	b.key(name, Uint32)
	b.meta = binary.LittleEndian.AppendUint32(b.meta, v)
}

// Float32 adds a number.
func (b *Builder) Float32(name string, v float32) {
	b.key(name, Float32)
	b.meta = binary.LittleEndian.AppendUint32(b.meta, math.Float32bits(v))
}

// Bool adds a truth value.
func (b *Builder) Bool(name string, v bool) {
	b.key(name, Bool)
	n := byte(0)
	if v {
		n = 1
	}
	b.meta = append(b.meta, n)
}

// String adds a text.
func (b *Builder) String(name, v string) {
	b.key(name, String)
	b.meta = appendText(b.meta, v)
}

// Strings adds an array of texts.
func (b *Builder) Strings(name string, v []string) {
	b.array(name, String, len(v))
	for _, s := range v {
		b.meta = appendText(b.meta, s)
	}
}

// Float32s adds an array of numbers.
func (b *Builder) Float32s(name string, v []float32) {
	b.array(name, Float32, len(v))
	for _, n := range v {
		b.meta = binary.LittleEndian.AppendUint32(b.meta, math.Float32bits(n))
	}
}

// Int32s adds an array of numbers.
func (b *Builder) Int32s(name string, v []int32) {
	b.array(name, Int32, len(v))
	for _, n := range v {
		b.meta = binary.LittleEndian.AppendUint32(b.meta, uint32(n))
	}
}

func (b *Builder) array(name string, k Kind, n int) {
	b.key(name, Array)
	b.meta = binary.LittleEndian.AppendUint32(b.meta, uint32(k))
	b.meta = binary.LittleEndian.AppendUint64(b.meta, uint64(n))
}

// Tensor adds a float32 tensor; shape has the innermost dimension first and
// value is called for each element in memory order.
func (b *Builder) Tensor(name string, shape []int64, value func(i int) float32) {
	for i := range b.tensor(name, shape, F32) {
		b.data = binary.LittleEndian.AppendUint32(b.data, math.Float32bits(value(i)))
	}
	b.data = pad(b.data)
}

// Int64Tensor adds a row of whole numbers.
func (b *Builder) Int64Tensor(name string, values []int64) {
	for i := range b.tensor(name, []int64{int64(len(values))}, I64) {
		b.data = binary.LittleEndian.AppendUint64(b.data, uint64(values[i]))
	}
	b.data = pad(b.data)
}

// tensor lists a tensor of one of ggml's types and returns its elements.
func (b *Builder) tensor(name string, shape []int64, kind uint32) (elements int) {
	b.tensors++
	b.list = appendText(b.list, name)
	b.list = binary.LittleEndian.AppendUint32(b.list, uint32(len(shape)))
	elements = 1
	for _, d := range shape {
		b.list = binary.LittleEndian.AppendUint64(b.list, uint64(d))
		elements *= int(d)
	}
	b.list = binary.LittleEndian.AppendUint32(b.list, kind)
	b.list = binary.LittleEndian.AppendUint64(b.list, uint64(len(b.data)))
	return elements
}

// Bytes is the file.
func (b *Builder) Bytes() []byte {
	le := binary.LittleEndian
	out := []byte("GGUF")
	out = le.AppendUint32(out, 3)
	out = le.AppendUint64(out, uint64(b.tensors))
	out = le.AppendUint64(out, uint64(b.keys))
	out = append(out, b.meta...)
	out = append(out, b.list...)
	return append(pad(out), b.data...)
}

func pad(b []byte) []byte {
	for len(b)%alignment != 0 {
		b = append(b, 0)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
	return append(b, s...)
}
