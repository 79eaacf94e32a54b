//go:build cgo

package audio

/*
#cgo LDFLAGS: -lmp3lame -lm
#include <lame/lame.h>

static void quiet(const char *format, va_list ap) { (void)format; (void)ap; }

static lame_global_flags *mp3_new(int rate, int kbps, int tag) {
	lame_global_flags *g = lame_init();
	if (!g)
		return 0;
	lame_set_errorf(g, quiet);
	lame_set_debugf(g, quiet);
	lame_set_msgf(g, quiet);
	lame_set_num_channels(g, 1);
	lame_set_mode(g, MONO);
	lame_set_in_samplerate(g, rate);
	lame_set_out_samplerate(g, rate);
	lame_set_brate(g, kbps);
	lame_set_quality(g, 7);
	lame_set_bWriteVbrTag(g, tag);
	lame_set_disable_reservoir(g, 1);
	lame_set_write_id3tag_automatic(g, 0);
	if (lame_init_params(g) < 0) {
		lame_close(g);
		return 0;
	}
	return g;
}
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// mp3 is constant-rate MPEG layer III, every frame complete in itself: no bits
// borrowed from earlier frames. A whole is held back until its end for the
// header that tells a player where the sound starts and ends; a stream goes out
// as it is made, without what the codec adds at its ends.
type mp3 struct {
	g    *C.lame_global_flags
	raw  []byte
	cut  *mp3Cut // of a stream; nil = a whole
	held []byte  // of a whole; nil when it got too long to be held
	in   int     // samples
}

// mp3Held bounds the bytes of a whole, about an hour. A longer one goes out
// without a header.
const mp3Held = 32 << 20

func newMP3(o Options) (Encoder, error) {
	kbps := o.Bitrate / 1000
	if kbps == 0 {
		kbps = 64
		switch {
		case o.SampleRate < 16000:
			kbps = 32
		case o.SampleRate >= 32000:
			kbps = 96
		}
	}
	tag := C.int(0)
	if o.Whole {
		tag = 1
	}
	g := C.mp3_new(C.int(o.SampleRate), C.int(kbps), tag)
	if g == nil {
		return nil, fmt.Errorf("audio: mp3 encoder: %d Hz at %d kbit/s is not possible", o.SampleRate, kbps)
	}
	e := &mp3{g: g}
	if o.Whole {
		e.held = []byte{}
	} else {
		e.cut = newMP3Cut(o.SampleRate)
	}
	runtime.SetFinalizer(e, (*mp3).Close)
	return e, nil
}

// mp3Most is the most bytes n samples become, by the library's own formula.
func mp3Most(n int) int { return n + n/4 + 7200 }

func (e *mp3) Encode(dst []byte, s []int16) ([]byte, error) {
	if e.g == nil {
		return dst, errors.New("audio: mp3 encoder is closed")
	}
	const block = 1 << 16
	e.in += len(s)
	for len(s) > 0 {
		n := min(len(s), block)
		e.raw = grow(e.raw[:0], mp3Most(n))
		free := e.raw[:cap(e.raw)]
		got := C.lame_encode_buffer(e.g, (*C.short)(unsafe.Pointer(&s[0])), nil, C.int(n),
			(*C.uchar)(unsafe.Pointer(&free[0])), C.int(len(free)))
		if got < 0 {
			return dst, fmt.Errorf("audio: mp3 encoder: code %d", int(got))
		}
		var err error
		if dst, err = e.pass(dst, free[:got]); err != nil {
			return dst, err
		}
		s = s[n:]
	}
	return dst, nil
}

// pass gives finished bytes on, or holds them back.
func (e *mp3) pass(dst, b []byte) ([]byte, error) {
	switch {
	case e.cut != nil:
		return e.cut.pass(dst, b)
	case e.held == nil:
		return append(dst, b...), nil
	}
	e.held = append(e.held, b...)
	if len(e.held) > mp3Held {
		dst = append(dst, bytes.TrimLeft(e.held, "\x00")...) // zeros keep the header's place
		e.held = nil
	}
	return dst, nil
}

func (e *mp3) Finish(dst []byte) ([]byte, error) {
	if e.g == nil {
		return dst, errors.New("audio: mp3 encoder is closed")
	}
	e.raw = grow(e.raw[:0], 7200)
	free := e.raw[:cap(e.raw)]
	got := C.lame_encode_flush(e.g, (*C.uchar)(unsafe.Pointer(&free[0])), C.int(len(free)))
	if got < 0 {
		return dst, fmt.Errorf("audio: mp3 encoder: code %d", int(got))
	}
	if e.cut != nil {
		e.cut.end(e.in)
	}
	dst, err := e.pass(dst, free[:got])
	if err != nil || e.held == nil {
		return dst, err
	}
	tag := C.lame_get_lametag_frame(e.g, (*C.uchar)(unsafe.Pointer(&free[0])), C.size_t(len(free)))
	if n := int(tag); n > 0 && n <= len(free) && n <= len(e.held) {
		copy(e.held, free[:n])
	}
	return append(dst, e.held...), nil
}

func (e *mp3) Close() {
	if e.g != nil {
		C.lame_close(e.g)
		e.g = nil
		runtime.SetFinalizer(e, nil)
	}
}

// LameVersion names the mp3 library.
func LameVersion() string { return C.GoString(C.get_lame_version()) }
