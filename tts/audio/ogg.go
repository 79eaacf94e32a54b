package audio

import "encoding/binary"

// Marks of an Ogg page (RFC 3533).
const (
	oggFirst = 2
	oggLast  = 4
)

// oggPage gathers packets and writes them as a page.
type oggPage struct {
	serial, seq uint32
	lacing      []byte
	body        []byte
}

// add appends a packet of less than 64 KiB.
func (p *oggPage) add(packet []byte) {
	n := len(packet)
	for ; n >= 255; n -= 255 {
		p.lacing = append(p.lacing, 255)
	}
	p.lacing = append(p.lacing, byte(n))
	p.body = append(p.body, packet...)
}

// flush appends the page to dst and starts a new one.
func (p *oggPage) flush(dst []byte, granule int64, flags byte) []byte {
	at := len(dst)
	le := binary.LittleEndian
	dst = append(dst, "OggS"...)
	dst = append(dst, 0, flags)
	dst = le.AppendUint64(dst, uint64(granule))
	dst = le.AppendUint32(dst, p.serial)
	dst = le.AppendUint32(dst, p.seq)
	dst = le.AppendUint32(dst, 0)
	dst = append(dst, byte(len(p.lacing)))
	dst = append(dst, p.lacing...)
	dst = append(dst, p.body...)
	le.PutUint32(dst[at+22:], oggSum(dst[at:]))
	p.seq++
	p.lacing, p.body = p.lacing[:0], p.body[:0]
	return dst
}

// oggTable is for the polynomial 0x04c11db7, most significant bit first.
var oggTable = func() (t [256]uint32) {
	for i := range t {
		r := uint32(i) << 24
		for range 8 {
			if r&0x80000000 != 0 {
				r = r<<1 ^ 0x04c11db7
			} else {
				r <<= 1
			}
		}
		t[i] = r
	}
	return t
}()

func oggSum(b []byte) uint32 {
	var c uint32
	for _, x := range b {
		c = c<<8 ^ oggTable[byte(c>>24)^x]
	}
	return c
}
