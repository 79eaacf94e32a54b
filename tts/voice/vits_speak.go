package voice

import (
	"context"
	"fmt"
	"math"
	"time"

	"repartee/tts/onnx"
)

// sound is an utterance between the text part and the samples: of n ids, or of
// the first ones, how long each lasts and where its latent lies.
type sound struct {
	n          int
	w          []float32 // durations in frames, not rounded
	mean, logs []float32 // of the latent, channel by channel
}

// Speak implements Voice.
func (v *vits) Speak(ctx context.Context, u Utterance, gate Gate, emit func([]float32) error) ([]Mark, error) {
	ids, runes := v.enc.encode(u.Units)
	if len(ids) == 0 {
		return nil, nil
	}
	if u.Stream {
		if keep, read := v.opening(ids, runes); keep > 0 {
			return v.speakEarly(ctx, u, ids, runes, keep, read, gate, emit)
		}
	}
	s, err := v.read(ctx, u, ids, len(ids), gate)
	if err != nil {
		return nil, err
	}
	dur := durations(s.w, v.enc.scales().length, u.Speed)
	frames := total(dur)
	if frames == 0 {
		return nil, nil
	}
	z := make([]float32, int(v.cut.channels)*frames)
	v.noise.fill(z, u.Seed)
	v.latent(z, frames, 0, s, dur, 0)
	return v.marks(dur, runes), v.vocode(ctx, u, z, frames, gate, emit)
}

// read runs the text part over the first n of the ids.
func (v *vits) read(ctx context.Context, u Utterance, ids []int64, n int, gate Gate) (sound, error) {
	scales := v.enc.scales()
	in := v.layout.feed(ids[:n], vitsScales{scales.noise, 1, scales.noiseW}, u.Speaker.ID)
	if v.cut.noiseIn != "" {
		e := make([]float32, int(v.cut.noiseRows)*len(ids))
		v.noise.fill(e, u.Seed) // an id's is the same however much is read
		in[v.cut.noiseIn] = onnx.Floats(window(e, len(ids), 0, n), 1, v.cut.noiseRows, int64(n))
	}
	var out []onnx.Tensor
	err := gate(ctx, func() (err error) {
		out, err = v.text.run(ctx, in)
		return err
	})
	if err != nil {
		return sound{}, err
	}
	s := sound{n, out[0].F32, out[1].F32, out[2].F32}
	if c := int(v.cut.channels); len(s.w) != n || len(s.mean) != c*n || len(s.logs) != c*n {
		return sound{}, fmt.Errorf("voice: text part made %d durations and %d, %d numbers for %d phonemes", len(s.w), len(s.mean), len(s.logs), n)
	}
	return s, nil
}

// latent makes of the noise in z the latent of the ids from first on, whose
// durations are dur; they begin at frame at of z, which has so many frames.
func (v *vits) latent(z []float32, frames, at int, s sound, dur []int, first int) {
	scale := float32(v.enc.scales().noise)
	for ch := range int(v.cut.channels) {
		row := z[ch*frames : (ch+1)*frames]
		t := at
		for k, d := range dur {
			i := ch*s.n + first + k
			m, dev := s.mean[i], exp32(s.logs[i])*scale
			for range d {
				row[t] = m + row[t]*dev
				t++
			}
		}
	}
}

func total(dur []int) (frames int) {
	for _, d := range dur {
		frames += d
	}
	return frames
}

// durations rounds up, as the graph itself does, and then shortens or
// lengthens the whole so that its length is exactly that of speed 1 divided by
// speed: rounding is carried on from phoneme to phoneme.
func durations(w []float32, lengthScale, speed float64) []int {
	out := make([]int, len(w))
	sum, done := 0.0, 0
	for i, x := range w {
		d := math.Ceil(float64(x) * lengthScale)
		if !(d >= 0) {
			d = 0
		}
		d = min(d, maxDuration)
		if speed == 1 || speed <= 0 {
			out[i] = int(d)
			continue
		}
		sum += d / speed
		out[i] = int(math.Round(sum)) - done
		done += out[i]
	}
	return out
}

// marks places the phonemes in time.
func (v *vits) marks(dur []int, runes []rune) []Mark {
	frames := make([]float32, len(dur))
	sum := 0
	for i, d := range dur {
		frames[i] = float32(d)
		sum += d
	}
	return placed(frames, runes, time.Duration(sum)*time.Duration(v.hop)*time.Second/time.Duration(v.info.SampleRate))
}
