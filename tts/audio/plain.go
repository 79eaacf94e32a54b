package audio

import (
	"encoding/binary"
	"math"
)

// pcm is 16-bit little-endian samples without a header.
type pcm struct{}

func newPCM(Options) (Encoder, error) { return pcm{}, nil }

func (pcm) Encode(dst []byte, s []int16) ([]byte, error) {
	for _, x := range s {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(x))
	}
	return dst, nil
}
func (pcm) Finish(dst []byte) ([]byte, error) { return dst, nil }
func (pcm) Close()                            {}

// wav is pcm behind a RIFF header.
type wav struct {
	pcm
	o     Options
	begun bool
}

func newWAV(o Options) (Encoder, error) { return &wav{o: o}, nil }

func (w *wav) Encode(dst []byte, s []int16) ([]byte, error) {
	return w.pcm.Encode(w.header(dst), s)
}

func (w *wav) Finish(dst []byte) ([]byte, error) { return w.header(dst), nil }

// header is written once. A length that is open, or too long for the format,
// is written as the largest number, which players take as "until the end".
func (w *wav) header(dst []byte) []byte {
	if w.begun {
		return dst
	}
	w.begun = true
	data, riff := uint32(math.MaxUint32), uint32(math.MaxUint32)
	if n := 2 * w.o.Samples; n > 0 && n+36 < math.MaxUint32 {
		data, riff = uint32(n), uint32(n+36)
	}
	le := binary.LittleEndian
	dst = append(dst, "RIFF"...)
	dst = le.AppendUint32(dst, riff)
	dst = append(dst, "WAVEfmt "...)
	dst = le.AppendUint32(dst, 16)
	dst = le.AppendUint16(dst, 1) // integer samples
	dst = le.AppendUint16(dst, 1) // channels
	dst = le.AppendUint32(dst, uint32(w.o.SampleRate))
	dst = le.AppendUint32(dst, uint32(2*w.o.SampleRate))
	dst = le.AppendUint16(dst, 2)
	dst = le.AppendUint16(dst, 16)
	dst = append(dst, "data"...)
	return le.AppendUint32(dst, data)
}

// ulaw is the 8-bit logarithmic code of telephony, ITU-T G.711.
type ulaw struct{}

func newULaw(Options) (Encoder, error) { return ulaw{}, nil }

func (ulaw) Encode(dst []byte, s []int16) ([]byte, error) {
	for _, x := range s {
		dst = append(dst, ulawByte(x))
	}
	return dst, nil
}
func (ulaw) Finish(dst []byte) ([]byte, error) { return dst, nil }
func (ulaw) Close()                            {}

// ulawByte codes a sample: sign, three bits of segment, four of place in it.
func ulawByte(x int16) byte {
	const bias, clip = 0x84, 32635
	v, sign := int(x), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, clip) + bias
	seg := 7
	for m := 0x4000; v&m == 0 && seg > 0; m >>= 1 {
		seg--
	}
	return ^(sign | byte(seg)<<4 | byte(v>>(seg+3))&0x0f)
}
