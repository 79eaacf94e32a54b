package llama

import (
	"encoding/binary"
	"errors"
)

// packer writes the little format in which Go and the shim hand each other
// structured things: 32-bit little-endian integers, and strings as length and
// bytes. One byte slice crosses instead of a tree of pointers.
type packer struct{ b []byte }

func (p *packer) integer(v int) { p.b = binary.LittleEndian.AppendUint32(p.b, uint32(int32(v))) }

func (p *packer) flag(v bool) {
	if v {
		p.integer(1)
	} else {
		p.integer(0)
	}
}

func (p *packer) text(s string) {
	p.integer(len(s))
	p.b = append(p.b, s...)
}

var errPacked = errors.New("llama: packed data is cut short")

// unpacker reads the format. The first error sticks; everything read after it
// is zero.
type unpacker struct {
	b   []byte
	err error
}

func (u *unpacker) integer() int {
	if u.err != nil || len(u.b) < 4 {
		u.err = errPacked
		return 0
	}
	v := int32(binary.LittleEndian.Uint32(u.b))
	u.b = u.b[4:]
	return int(v)
}

func (u *unpacker) flag() bool { return u.integer() != 0 }

func (u *unpacker) text() string {
	n := u.integer()
	if u.err != nil || n < 0 || n > len(u.b) {
		u.err = errPacked
		return ""
	}
	s := string(u.b[:n])
	u.b = u.b[n:]
	return s
}

// count reads a number of entries, each at least four bytes long.
func (u *unpacker) count() int {
	n := u.integer()
	if u.err != nil || n < 0 || n > len(u.b)/4 {
		u.err = errPacked
		return 0
	}
	return n
}
