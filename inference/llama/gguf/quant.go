package gguf

import "fmt"

// ggml's numbers of the element types that are met in served models.
const (
	F32  = 0
	F16  = 1
	Q4_0 = 2
	Q4_1 = 3
	Q8_0 = 8
	Q4K  = 12
	Q5K  = 13
	Q6K  = 14
	I64  = 27
	BF16 = 30
)

// blocks are the elements and bytes of one block of each type.
var blocks = map[uint32][2]int64{
	F32: {1, 4}, F16: {1, 2}, BF16: {1, 2}, I64: {1, 8}, Q4_0: {32, 18}, Q4_1: {32, 20}, 6: {32, 22}, 7: {32, 24}, Q8_0: {32, 34},
	10: {256, 84}, 11: {256, 110}, Q4K: {256, 144}, Q5K: {256, 176}, Q6K: {256, 210}, 20: {32, 18}, 23: {256, 136},
}

// Block is how many elements and bytes a block of a type has; the error names a
// type that is not known here.
func Block(kind uint32) (elements, bytes int64, err error) {
	b, ok := blocks[kind]
	if !ok {
		return 0, 0, fmt.Errorf("gguf: the size of element type %d is not known", kind)
	}
	return b[0], b[1], nil
}

// Bytes of the tensor's data.
func (t Tensor) Bytes() (int64, error) {
	elements, bytes, err := Block(t.Type)
	if err != nil {
		return 0, err
	}
	n := int64(1)
	for _, d := range t.Shape {
		n *= d
	}
	if len(t.Shape) == 0 || t.Shape[0]%elements != 0 {
		return 0, fmt.Errorf("gguf: tensor %q has rows of %v elements, no multiple of %d", t.Name, t.Shape, elements)
	}
	return n / elements * bytes, nil
}
