//go:build cgo

package audio

/*
#cgo LDFLAGS: -lopus
#include <opus/opus.h>

static int opus_setup(OpusEncoder *e, int bitrate, int *lookahead) {
	int r = opus_encoder_ctl(e, OPUS_SET_BITRATE(bitrate));
	if (r == OPUS_OK)
		r = opus_encoder_ctl(e, OPUS_SET_SIGNAL(OPUS_SIGNAL_VOICE));
	if (r == OPUS_OK)
		r = opus_encoder_ctl(e, OPUS_SET_COMPLEXITY(5));
	if (r == OPUS_OK)
		r = opus_encoder_ctl(e, OPUS_GET_LOOKAHEAD(lookahead));
	return r;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// codec wraps libopus.
type codec struct{ e *C.OpusEncoder }

// newCodec gives the encoder and its delay in samples.
func newCodec(rate, bitrate int) (*codec, int, error) {
	var code C.int
	e := C.opus_encoder_create(C.opus_int32(rate), 1, C.OPUS_APPLICATION_AUDIO, &code)
	if code != C.OPUS_OK || e == nil {
		return nil, 0, fmt.Errorf("audio: opus encoder: %s", C.GoString(C.opus_strerror(code)))
	}
	var delay C.int
	if code := C.opus_setup(e, C.int(bitrate), &delay); code != C.OPUS_OK {
		C.opus_encoder_destroy(e)
		return nil, 0, fmt.Errorf("audio: opus encoder: %s", C.GoString(C.opus_strerror(code)))
	}
	c := &codec{e}
	runtime.SetFinalizer(c, (*codec).close)
	return c, int(delay), nil
}

// packet encodes one frame into buf.
func (c *codec) packet(buf []byte, s []int16) ([]byte, error) {
	if c.e == nil {
		return nil, errors.New("audio: opus encoder is closed")
	}
	n := C.opus_encode(c.e, (*C.opus_int16)(unsafe.Pointer(&s[0])), C.int(len(s)),
		(*C.uchar)(unsafe.Pointer(&buf[0])), C.opus_int32(len(buf)))
	if n < 0 {
		return nil, fmt.Errorf("audio: opus encoder: %s", C.GoString(C.opus_strerror(C.int(n))))
	}
	return buf[:n], nil
}

func (c *codec) close() {
	if c.e != nil {
		C.opus_encoder_destroy(c.e)
		c.e = nil
		runtime.SetFinalizer(c, nil)
	}
}
