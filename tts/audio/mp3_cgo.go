//go:build cgo

package audio

/*
#cgo LDFLAGS: -lmp3lame -lm
#include <lame/lame.h>

static void quiet(const char *format, va_list ap) { (void)format; (void)ap; }

static lame_global_flags *mp3_new(int rate, int kbps) {
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
	lame_set_bWriteVbrTag(g, 0);
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
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// mp3 is constant-rate MPEG layer III, every frame complete in itself: no
// header that would need the length, no bits borrowed from earlier frames.
type mp3 struct {
	g *C.lame_global_flags
}

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
	g := C.mp3_new(C.int(o.SampleRate), C.int(kbps))
	if g == nil {
		return nil, fmt.Errorf("audio: mp3 encoder: %d Hz at %d kbit/s is not possible", o.SampleRate, kbps)
	}
	e := &mp3{g}
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
	for len(s) > 0 {
		n := min(len(s), block)
		dst = grow(dst, mp3Most(n))
		free := dst[len(dst):cap(dst)]
		got := C.lame_encode_buffer(e.g, (*C.short)(unsafe.Pointer(&s[0])), nil, C.int(n),
			(*C.uchar)(unsafe.Pointer(&free[0])), C.int(len(free)))
		if got < 0 {
			return dst, fmt.Errorf("audio: mp3 encoder: code %d", int(got))
		}
		dst = dst[:len(dst)+int(got)]
		s = s[n:]
	}
	return dst, nil
}

func (e *mp3) Finish(dst []byte) ([]byte, error) {
	if e.g == nil {
		return dst, errors.New("audio: mp3 encoder is closed")
	}
	dst = grow(dst, 7200)
	free := dst[len(dst):cap(dst)]
	got := C.lame_encode_flush(e.g, (*C.uchar)(unsafe.Pointer(&free[0])), C.int(len(free)))
	if got < 0 {
		return dst, fmt.Errorf("audio: mp3 encoder: code %d", int(got))
	}
	return dst[:len(dst)+int(got)], nil
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
