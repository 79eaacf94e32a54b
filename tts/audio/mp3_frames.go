package audio

import "fmt"

// mp3Cut passes the frames of a stream whose length nobody knows, and leaves out
// at both ends what only the codec's delay put there: players of a stream have
// no header that would tell them to skip it.
//
// The frame before the first one is dropped where frames are short (below
// 32 kHz). Its overlap is missed by the first 288 samples, which are silence in
// speech. At the end so many frames are left out that the decoded length is at
// most 20 ms from the length that went in: a frame lasts up to 36 ms at the rates
// of a stream.
type mp3Cut struct {
	rate  int
	frame int // samples a frame
	skip  int // frames still to be dropped at the start
	rest  []byte
	out   int // frames passed
	limit int // the most to pass; 0 = not known yet
}

func newMP3Cut(rate int) *mp3Cut {
	c := &mp3Cut{rate: rate, frame: 576, skip: 1}
	if rate >= 32000 {
		c.frame, c.skip = 1152, 0
	}
	return c
}

// end sets the number of frames for a length in samples.
func (c *mp3Cut) end(samples int) {
	c.limit = max((samples+c.rate/50)/c.frame, 1)
}

// pass appends the frames that b completes to dst.
func (c *mp3Cut) pass(dst, b []byte) ([]byte, error) {
	c.rest = append(c.rest, b...)
	used := 0
	for len(c.rest)-used >= 4 {
		n := mp3FrameSize(c.rest[used:])
		if n == 0 {
			return dst, fmt.Errorf("audio: mp3 encoder: %x is no frame header", c.rest[used:used+4])
		}
		if used+n > len(c.rest) {
			break
		}
		switch {
		case c.skip > 0:
			c.skip--
		case c.limit == 0 || c.out < c.limit:
			dst = append(dst, c.rest[used:used+n]...)
			c.out++
		}
		used += n
	}
	c.rest = append(c.rest[:0], c.rest[used:]...)
	return dst, nil
}

// Bit rates in kbit/s and sample rates in Hz by their numbers in a header,
// ISO 11172-3 and 13818-3, layer III.
var (
	mp3Rates1   = [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0}
	mp3Rates2   = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0}
	mp3Sampling = [4]int{44100, 48000, 32000, 0}
)

// mp3FrameSize reads the size in bytes of the frame that b, at least four
// bytes, begins with; 0 when it is none.
func mp3FrameSize(b []byte) int {
	if b[0] != 0xff || b[1]&0xe6 != 0xe2 { // sync, layer III
		return 0
	}
	rate, kbps, per := mp3Sampling[b[2]>>2&3], mp3Rates2[b[2]>>4], 72
	switch b[1] >> 3 & 3 {
	case 3:
		kbps, per = mp3Rates1[b[2]>>4], 144
	case 2:
		rate /= 2
	case 0:
		rate /= 4
	default:
		return 0
	}
	if rate == 0 || kbps == 0 {
		return 0
	}
	return per*kbps*1000/rate + int(b[2]>>1&1)
}
