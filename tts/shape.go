package tts

import (
	"math"
	"time"

	"repartee/tts/audio"
	"repartee/tts/voice"
)

// shape changes the samples of one line to a speed that its voice does not speak
// at, and to another pitch. A pitch p times as high is made of speech that is p
// times as long, played p times as fast: the voice itself speaks slower for it,
// as far as it can, and what is left is stretched.
type shape struct {
	stretch *audio.Stretcher
	resamp  *audio.Resampler
	factor  float64 // length of what the voice makes ÷ length of the result
}

// pitchSteps is how finely a pitch is set: in parts of the natural one. The ratio
// of small numbers keeps the filter small.
const pitchSteps = 50

// newShape sets the speed of u to what the voice is to speak at.
func newShape(info voice.Info, rate int, u *voice.Utterance, pitch float64) shape {
	n := int(math.Round(pitch * pitchSteps))
	pitch = float64(n) / pitchSteps
	s := shape{factor: pitch}
	own, stretched := info.Speed(u.Speed / pitch)
	u.Speed = own
	if stretched != 1 {
		s.stretch = audio.NewStretcher(rate, stretched)
		s.factor *= stretched
	}
	if n != pitchSteps {
		s.resamp = audio.NewResampler(n, pitchSteps)
	}
	return s
}

func (s *shape) any() bool { return s.stretch != nil || s.resamp != nil }

func (s *shape) write(x []float32) []float32 {
	if s.stretch != nil {
		x = s.stretch.Write(nil, x)
	}
	if s.resamp != nil {
		x = s.resamp.Write(nil, x)
	}
	return x
}

// finish gives the rest.
func (s *shape) finish() (x []float32) {
	if s.stretch != nil {
		x = s.stretch.Finish(nil)
	}
	if s.resamp != nil {
		x = s.resamp.Finish(s.resamp.Write(nil, x))
	}
	return x
}

// place moves marks to where they are heard.
func (s *shape) place(marks []voice.Mark) {
	for k := range marks {
		marks[k].Start = time.Duration(float64(marks[k].Start) / s.factor)
		marks[k].End = time.Duration(float64(marks[k].End) / s.factor)
	}
}
