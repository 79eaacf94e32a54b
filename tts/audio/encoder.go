package audio

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrNoEncoder says that a format was not built in (CGO_ENABLED=0).
var ErrNoEncoder = errors.New("audio: this program was built without that encoder")

// Encoder makes bytes of samples. One goroutine uses it at a time.
type Encoder interface {
	// Encode appends what pcm completes to dst. It may append nothing.
	Encode(dst []byte, pcm []int16) ([]byte, error)
	// Finish appends the rest. No call but Close may follow.
	Finish(dst []byte) ([]byte, error)
	// Close releases memory outside Go. Idempotent.
	Close()
}

// Options of NewEncoder.
type Options struct {
	SampleRate int // Hz, one that Rate allows
	// Samples is the length when it is known beforehand, else 0: a header
	// then says that it is open.
	Samples int64
	// Whole says that the bytes are taken in one piece: mp3 then holds them
	// back until Finish, for a header with the exact length.
	Whole bool
	// Bitrate in bit/s for mp3 and opus; 0 = by sample rate.
	Bitrate int
}

// Format describes an encoding.
type Format struct {
	Name        string
	ContentType string
	// rates are those allowed; nil = any from 8000 to 48000.
	rates []int
	make  func(Options) (Encoder, error)
}

var formats = []Format{
	{"mp3", "audio/mpeg", []int{8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}, newMP3},
	{"wav", "audio/wav", nil, newWAV},
	{"pcm", "audio/pcm", nil, newPCM},
	{"opus", "audio/ogg", []int{8000, 12000, 16000, 24000, 48000}, newOpus},
	{"flac", "audio/flac", nil, newFLAC},
	{"ulaw", "audio/basic", []int{8000}, newULaw},
}

// Lookup finds a format by name; mulaw and g711 are ulaw.
func Lookup(name string) (Format, error) {
	if name == "mulaw" || name == "g711" {
		name = "ulaw"
	}
	var names []string
	for _, f := range formats {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("%q is not a format; there are: %s", name, strings.Join(names, ", "))
}

// Rate gives the sample rate to encode at: want when it is allowed, or, when
// want is 0, the voice's own rate or the next higher one allowed.
func (f Format) Rate(want, own int) (int, error) {
	const lowest, highest = 8000, 48000
	if want == 0 {
		if f.rates == nil {
			return min(max(own, lowest), highest), nil
		}
		for _, r := range f.rates {
			if r >= own {
				return r, nil
			}
		}
		return f.rates[len(f.rates)-1], nil
	}
	if f.rates == nil && want >= lowest && want <= highest || slices.Contains(f.rates, want) {
		return want, nil
	}
	if f.rates == nil {
		return 0, fmt.Errorf("%d Hz is out of range; want %d to %d", want, lowest, highest)
	}
	return 0, fmt.Errorf("%s has no sample rate of %d Hz; there are: %s", f.Name, want, strings.Trim(fmt.Sprint(f.rates), "[]"))
}

// Streamed gives the rate of a stream for one that Rate gave: that, or twice as
// much. Frames of mp3 last up to 72 ms below 16 kHz, and a stream has no header to
// say where in the last one the sound ends; at 16 kHz and more the nearest frame
// is within 20 ms of it.
func (f Format) Streamed(rate int) int {
	if f.Name == "mp3" && rate < mp3Streamed {
		return 2 * rate
	}
	return rate
}

// mp3Streamed is the lowest rate of a stream of mp3, Hz.
const mp3Streamed = 16000

// NewEncoder starts an encoding. A stream has a rate that Streamed gave.
func (f Format) NewEncoder(o Options) (Encoder, error) {
	if !o.Whole && f.Streamed(o.SampleRate) != o.SampleRate {
		return nil, fmt.Errorf("audio: encoder %s: a stream has a sample rate of at least %d, not %d", f.Name, mp3Streamed, o.SampleRate)
	}
	if _, err := f.Rate(o.SampleRate, 0); err != nil || o.SampleRate == 0 {
		return nil, fmt.Errorf("audio: encoder %s: sample rate %d: %w", f.Name, o.SampleRate, err)
	}
	return f.make(o)
}
