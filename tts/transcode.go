package tts

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"repartee/tts/audio"
)

// Transcode encodes samples that Say has made in FormatPCM: it reads so many
// samples at a rate in Hz from src, 16-bit little-endian, and writes the format
// at rate out (0 = the nearest that the format has) to dst. It holds a second of
// sound at a time; of mp3, up to an hour's bytes.
func Transcode(ctx context.Context, dst io.Writer, src io.Reader, samples int64, rate int, format string, out int) error {
	f, err := audio.Lookup(format)
	if err != nil {
		return &FieldError{"format", err.Error()}
	}
	if out, err = f.Rate(out, rate); err != nil {
		return &FieldError{"sample_rate", err.Error()}
	}
	total := samples
	var resamp *audio.Resampler
	if out != rate {
		resamp = audio.NewResampler(rate, out)
		total = resamp.Length(samples)
	}
	enc, err := f.NewEncoder(audio.Options{SampleRate: out, Samples: total, Whole: true})
	if err != nil {
		return fmt.Errorf("tts: encoding: %w", err)
	}
	defer enc.Close()
	raw := make([]byte, 2*rate)
	var b []byte
	for left := samples; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(left, int64(rate))
		if _, err := io.ReadFull(src, raw[:2*n]); err != nil {
			return fmt.Errorf("tts: encoding: reading samples: %w", err)
		}
		left -= n
		pcm := make([]int16, n)
		for i := range pcm {
			pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		if resamp != nil {
			s := make([]float32, n)
			for i, x := range pcm {
				s[i] = float32(x) / 32767
			}
			if s = resamp.Write(nil, s); left == 0 {
				s = resamp.Finish(s)
			}
			pcm = audio.Int16(nil, s)
		}
		if b, err = enc.Encode(b[:0], pcm); err == nil && left == 0 {
			b, err = enc.Finish(b)
		}
		if err == nil {
			_, err = dst.Write(b)
		}
		if err != nil || left == 0 {
			return errors.Join(err, ctx.Err())
		}
	}
}
