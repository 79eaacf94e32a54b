package audio

import (
	"encoding/binary"
	"fmt"
)

// opus is Opus in Ogg (RFC 7845): 20 ms a packet, ten packets a page, so that a
// page is a fifth of a second and a stream flows.
type opus struct {
	codec   *codec
	rate    int
	frame   int     // samples a packet
	rest    []int16 // less than a packet
	buf     []byte
	page    oggPage
	skip    int // samples at 48 kHz that a player drops at the start
	in      int64
	granule int64 // at 48 kHz, of the packets so far
	packets int
	begun   bool
}

const packetsPerPage = 10

func newOpus(o Options) (Encoder, error) {
	bitrate := o.Bitrate
	if bitrate == 0 {
		bitrate = 32000
	}
	if bitrate < 6000 || bitrate > 256000 {
		return nil, fmt.Errorf("audio: opus encoder: %d bit/s; want 6000 to 256000", bitrate)
	}
	c, delay, err := newCodec(o.SampleRate, bitrate)
	if err != nil {
		return nil, err
	}
	return &opus{
		codec: c, rate: o.SampleRate, frame: o.SampleRate / 50, skip: delay * 48000 / o.SampleRate,
		buf: make([]byte, 4000), page: oggPage{serial: 1},
	}, nil
}

func (e *opus) Close() { e.codec.close() }

func (e *opus) begin(dst []byte) []byte {
	if e.begun {
		return dst
	}
	e.begun = true
	le := binary.LittleEndian
	head := append([]byte("OpusHead"), 1, 1)
	head = le.AppendUint16(head, uint16(e.skip))
	head = le.AppendUint32(head, uint32(e.rate))
	head = append(head, 0, 0, 0) // no gain, channel mapping 0
	e.page.add(head)
	dst = e.page.flush(dst, 0, oggFirst)
	const vendor = "repartee"
	tags := le.AppendUint32([]byte("OpusTags"), uint32(len(vendor)))
	tags = append(tags, vendor...)
	e.page.add(le.AppendUint32(tags, 0))
	return e.page.flush(dst, 0, 0)
}

func (e *opus) Encode(dst []byte, s []int16) ([]byte, error) {
	dst = e.begin(dst)
	e.in += int64(len(s))
	return e.feed(dst, s)
}

func (e *opus) feed(dst []byte, s []int16) ([]byte, error) {
	e.rest = append(e.rest, s...)
	used := 0
	for len(e.rest)-used >= e.frame {
		// A page is written when the packet after it comes, because the last
		// page must carry the end mark.
		if e.packets == packetsPerPage {
			dst = e.page.flush(dst, e.granule, 0)
			e.packets = 0
		}
		p, err := e.codec.packet(e.buf, e.rest[used:used+e.frame])
		if err != nil {
			return dst, err
		}
		e.page.add(p)
		e.packets++
		e.granule += 960
		used += e.frame
	}
	e.rest = append(e.rest[:0], e.rest[used:]...)
	return dst, nil
}

func (e *opus) Finish(dst []byte) ([]byte, error) {
	dst = e.begin(dst)
	// The end of the last page says where the sound ends, so the padding that
	// pushes the codec's delay out is not heard.
	end := e.in*48000/int64(e.rate) + int64(e.skip)
	pad := (end - e.granule) * int64(e.rate) / 48000
	n := max((int(pad)+e.frame-1)/e.frame, 1)*e.frame - len(e.rest)
	if n < 0 {
		n = 0
	}
	dst, err := e.feed(dst, make([]int16, n))
	if err != nil {
		return dst, err
	}
	return e.page.flush(dst, end, oggLast), nil
}
