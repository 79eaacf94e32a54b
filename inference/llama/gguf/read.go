package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// ErrFormat means that a file is no GGUF file or a damaged one.
var ErrFormat = errors.New("gguf: not a usable file")

// Bounds on what a head may hold; real files stay far below them.
const (
	maxKeys    = 1 << 16
	maxTensors = 1 << 20
	maxName    = 1 << 16
	maxHead    = 1 << 30 // bytes
)

// Open reads the head of a file.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return Read(f, st.Size())
}

// Read reads the head of a file of size bytes. Errors about its contents wrap
// ErrFormat.
func Read(r io.Reader, size int64) (*File, error) {
	in := &reader{r: bufio.NewReaderSize(r, 1<<16), left: min(size, maxHead)}
	f := &File{Meta: map[string]Value{}, Alignment: 32, Size: size}
	if err := f.read(in); err != nil {
		return nil, fmt.Errorf("%w: at byte %d: %w", ErrFormat, in.at, err)
	}
	return f, nil
}

func (f *File) read(in *reader) error {
	magic := in.bytes(4)
	if in.err != nil || string(magic) != "GGUF" {
		return fmt.Errorf("it begins with %q, not \"GGUF\"", magic)
	}
	f.Version = uint32(in.number(Uint32))
	if in.err == nil && f.Version != 2 && f.Version != 3 {
		return fmt.Errorf("version %d is not 2 or 3 (or the file is big-endian)", f.Version)
	}
	tensors, keys := in.number(Uint64), in.number(Uint64)
	switch {
	case in.err != nil:
		return in.err
	case tensors > maxTensors:
		return fmt.Errorf("it claims %d tensors", tensors)
	case keys > maxKeys:
		return fmt.Errorf("it claims %d metadata entries", keys)
	}
	for i := range keys {
		if err := f.readKey(in); err != nil {
			return fmt.Errorf("metadata entry %d: %w", i, err)
		}
	}
	if v, ok := f.Meta["general.alignment"]; ok {
		n, isInt := v.Int()
		if v.Kind != Uint32 || !isInt || n < 1 || n > 1<<20 || n&(n-1) != 0 {
			return fmt.Errorf("alignment %d is not a power of two", v.Bits)
		}
		f.Alignment = uint64(n)
	}
	names := map[string]bool{}
	for i := range tensors {
		t, err := readTensor(in)
		if err == nil && names[t.Name] {
			err = fmt.Errorf("the name %q is there twice", t.Name)
		}
		if err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
		names[t.Name] = true
		f.Tensors = append(f.Tensors, t)
	}
	f.Data = (in.at + int64(f.Alignment) - 1) / int64(f.Alignment) * int64(f.Alignment)
	for _, t := range f.Tensors {
		if t.Offset%f.Alignment != 0 {
			return fmt.Errorf("tensor %q lies at %d, which is not aligned to %d", t.Name, t.Offset, f.Alignment)
		}
		if t.Offset > uint64(max(f.Size-f.Data, 0)) {
			return fmt.Errorf("tensor %q lies behind the end of the file: it is cut short", t.Name)
		}
	}
	return nil
}

func (f *File) readKey(in *reader) error {
	key := in.text(maxName)
	kind := Kind(in.number(Uint32))
	switch {
	case in.err != nil:
		return in.err
	case key == "":
		return errors.New("its key is empty")
	}
	if _, twice := f.Meta[key]; twice {
		return fmt.Errorf("the key %q is there twice", key)
	}
	v, err := readValue(in, kind)
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	f.Meta[key] = v
	f.Keys = append(f.Keys, key)
	return nil
}

func readValue(in *reader, kind Kind) (v Value, err error) {
	v.Kind = kind
	switch {
	case kind == String:
		v.Text = in.text(maxHead)
	case kind.size() > 0:
		v.Bits = in.number(kind)
	case kind == Array:
		v.Elem = Kind(in.number(Uint32))
		n := in.number(Uint64)
		each := v.Elem.size()
		if v.Elem == String {
			each = 8
		}
		if in.err == nil && (each == 0 || n > uint64(in.left/each)) {
			return v, fmt.Errorf("it claims %d elements of type %d, %d bytes are left", n, v.Elem, in.left)
		}
		for ; n > 0 && in.err == nil; n-- {
			if v.Elem == String {
				v.Strings = append(v.Strings, in.text(maxHead))
			} else {
				v.Numbers = append(v.Numbers, in.number(v.Elem))
			}
		}
	default:
		return v, fmt.Errorf("it has the unknown type %d", kind)
	}
	return v, in.err
}

func readTensor(in *reader) (t Tensor, err error) {
	t.Name = in.text(maxName)
	dims := in.number(Uint32)
	if in.err == nil && (dims < 1 || dims > 4) {
		return t, fmt.Errorf("%q has %d dimensions", t.Name, dims)
	}
	total := int64(1)
	for ; dims > 0 && in.err == nil; dims-- {
		n := in.number(Int64)
		if int64(n) < 1 || int64(n) > (1<<62)/total {
			return t, fmt.Errorf("%q has a dimension of %d", t.Name, int64(n))
		}
		total *= int64(n)
		t.Shape = append(t.Shape, int64(n))
	}
	t.Type = uint32(in.number(Uint32))
	t.Offset = in.number(Uint64)
	return t, in.err
}

// reader counts the bytes that are left; the first error sticks.
type reader struct {
	r        *bufio.Reader
	at, left int64
	buf      [8]byte
	err      error
}

var errShort = errors.New("the file ends here: it is cut short")

func (in *reader) fill(b []byte) {
	if in.err == nil && int64(len(b)) > in.left {
		in.err = errShort
	}
	if in.err != nil {
		return
	}
	n, err := io.ReadFull(in.r, b)
	in.at += int64(n)
	in.left -= int64(n)
	if err != nil {
		in.err = errShort
	}
}

func (in *reader) bytes(n int) []byte {
	b := make([]byte, n)
	in.fill(b)
	return b
}

// number reads a value of a fixed size, sign-extended for signed kinds.
func (in *reader) number(k Kind) uint64 {
	b := in.buf[:k.size()]
	in.fill(b)
	if in.err != nil {
		return 0
	}
	le := binary.LittleEndian
	switch k {
	case Int8:
		return uint64(int8(b[0]))
	case Uint8, Bool:
		return uint64(b[0])
	case Int16:
		return uint64(int16(le.Uint16(b)))
	case Uint16:
		return uint64(le.Uint16(b))
	case Int32:
		return uint64(int32(le.Uint32(b)))
	case Uint32, Float32:
		return uint64(le.Uint32(b))
	}
	return le.Uint64(b)
}

// text reads a string of at most limit bytes, and no more than are there.
func (in *reader) text(limit int64) string {
	n := in.number(Uint64)
	if in.err == nil && (n > uint64(limit) || n > uint64(in.left)) {
		in.err = fmt.Errorf("it claims a text of %d bytes, %d are left", n, in.left)
	}
	if in.err != nil {
		return ""
	}
	return string(in.bytes(int(n)))
}
