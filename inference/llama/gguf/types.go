package gguf

// Kind is the type of a metadata value, with GGUF's own numbers.
type Kind uint32

// The kinds of values.
const (
	Uint8 Kind = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

// size is the bytes of one value, 0 for those without a fixed size.
func (k Kind) size() int64 {
	switch k {
	case Uint8, Int8, Bool:
		return 1
	case Uint16, Int16:
		return 2
	case Uint32, Int32, Float32:
		return 4
	case Uint64, Int64, Float64:
		return 8
	}
	return 0
}

// Value is one metadata value. Numbers are kept as their bits.
type Value struct {
	Kind    Kind
	Elem    Kind     // of an Array
	Bits    uint64   // of a number or Bool: the little-endian bits, sign-extended for signed kinds
	Text    string   // of a String
	Strings []string // of an Array of String
	Numbers []uint64 // of an Array of anything else, like Bits
}

// Len is the number of elements of an Array, else 1.
func (v Value) Len() int {
	if v.Kind != Array {
		return 1
	}
	return len(v.Strings) + len(v.Numbers)
}

// Int is the value as an integer; ok is false for other kinds.
func (v Value) Int() (n int64, ok bool) {
	switch v.Kind {
	case Uint8, Int8, Uint16, Int16, Uint32, Int32, Int64:
		return int64(v.Bits), true
	case Uint64:
		return int64(v.Bits), v.Bits < 1<<63
	}
	return 0, false
}

// Tensor is one entry of the tensor list.
type Tensor struct {
	Name   string
	Shape  []int64 // innermost dimension first, up to four
	Type   uint32  // ggml's number of the element type
	Offset uint64  // from File.Data
}

// File is the head of a GGUF file.
type File struct {
	Version   uint32
	Meta      map[string]Value
	Keys      []string // of Meta, in the file's order
	Tensors   []Tensor
	Alignment uint64
	Data      int64 // where the tensor data begin
	Size      int64 // bytes of the whole file
}
