package gguf

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Put adds a value as it was read from another file.
func (b *Builder) Put(name string, v Value) {
	le := binary.LittleEndian
	number := func(k Kind, n uint64) {
		switch k.size() {
		case 1:
			b.meta = append(b.meta, byte(n))
		case 2:
			b.meta = le.AppendUint16(b.meta, uint16(n))
		case 4:
			b.meta = le.AppendUint32(b.meta, uint32(n))
		default:
			b.meta = le.AppendUint64(b.meta, n)
		}
	}
	switch {
	case v.Kind == String:
		b.String(name, v.Text)
	case v.Kind == Array && v.Elem == String:
		b.Strings(name, v.Strings)
	case v.Kind == Array:
		b.array(name, v.Elem, len(v.Numbers))
		for _, n := range v.Numbers {
			number(v.Elem, n)
		}
	default:
		b.key(name, v.Kind)
		number(v.Kind, v.Bits)
	}
}

// Stream writes the file with the given tensors behind what was added, whose
// offsets it sets; fill writes a tensor's bytes. Only one tensor's pieces are in
// memory at a time, so the file may be larger than that.
func (b *Builder) Stream(w io.Writer, tensors []Tensor, fill func(w io.Writer, t Tensor, bytes int64) error) error {
	le := binary.LittleEndian
	var list []byte
	at := int64(0)
	sizes := make([]int64, len(tensors))
	for i, t := range tensors {
		n, err := t.Bytes()
		if err != nil {
			return err
		}
		list = appendText(list, t.Name)
		list = le.AppendUint32(list, uint32(len(t.Shape)))
		for _, d := range t.Shape {
			list = le.AppendUint64(list, uint64(d))
		}
		list = le.AppendUint32(list, t.Type)
		list = le.AppendUint64(list, uint64(at))
		sizes[i] = n
		at += (n + alignment - 1) / alignment * alignment
	}
	head := []byte("GGUF")
	head = le.AppendUint32(head, 3)
	head = le.AppendUint64(head, uint64(len(tensors)))
	head = le.AppendUint64(head, uint64(b.keys))
	head = append(head, b.meta...)
	head = pad(append(head, list...))
	if _, err := w.Write(head); err != nil {
		return err
	}
	for i, t := range tensors {
		if err := fill(w, t, sizes[i]); err != nil {
			return fmt.Errorf("gguf: writing %q: %w", t.Name, err)
		}
		if _, err := w.Write(make([]byte, (alignment-sizes[i]%alignment)%alignment)); err != nil {
			return err
		}
	}
	return nil
}
