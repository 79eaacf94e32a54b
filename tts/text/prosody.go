package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Manner is how a run of text is spoken. All three are factors; Natural is 1.
type Manner struct {
	Rate   float64 // on the speed, 0.25 … 4
	Volume float64 // on the amplitude, 0 … 4
	Pitch  float64 // on the pitch, 0.5 … 2
}

// Natural is how a text without markup is spoken.
var Natural = Manner{1, 1, 1}

func (m Manner) within() Manner {
	return Manner{min(max(m.Rate, 0.25), 4), min(max(m.Volume, 0), 4), min(max(m.Pitch, 0.5), 2)}
}

// What SSML's words stand for: volumes in steps of 6 dB down and 3 dB up, because
// speech is as loud as is good already.
var (
	rates   = map[string]float64{"x-slow": 0.5, "slow": 0.75, "medium": 1, "default": 1, "fast": 1.25, "x-fast": 1.6}
	volumes = map[string]float64{"silent": 0, "x-soft": decibels(-12), "soft": decibels(-6), "medium": 1, "default": 1, "loud": decibels(3), "x-loud": decibels(6)}
	pitches = map[string]float64{"x-low": 0.8, "low": 0.9, "medium": 1, "default": 1, "high": 1.1, "x-high": 1.2}
)

func decibels(x float64) float64 { return math.Pow(10, x/20) }

// prosody is m changed by the attributes of an element prosody; empty = absent.
func (m Manner) prosody(rate, volume, pitch string) (Manner, error) {
	for _, a := range []struct {
		name, value, example string
		words                map[string]float64
		of                   *float64
		units                []string
	}{
		{"rate", rate, "120%, +20% or slow", rates, &m.Rate, nil},
		{"volume", volume, "+6dB, 50% or soft", volumes, &m.Volume, []string{"dB"}},
		{"pitch", pitch, "+10%, +2st or high", pitches, &m.Pitch, []string{"st"}},
	} {
		if a.value == "" {
			continue
		}
		f, ok := a.words[a.value]
		if !ok {
			f, ok = factor(a.value, a.units)
		}
		if !ok {
			return m, fmt.Errorf("prosody %s %q; want for example %s", a.name, a.value, a.example)
		}
		*a.of *= f
	}
	return m.within(), nil
}

// factor reads "120%", "+20%", "-20%", and of the units given "+6dB" and "-2st". A
// plain number is a rate's factor; of a volume it is the hundredth part, as in SSML
// 1.0, and of a pitch it would be hertz, which nobody here knows.
func factor(s string, units []string) (f float64, ok bool) {
	signed := strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-")
	number := func(unit string) (x float64, ok bool) {
		t, ok := strings.CutSuffix(s, unit)
		x, err := strconv.ParseFloat(t, 64)
		return x, ok && err == nil && math.Abs(x) <= 1000
	}
	if x, ok := number("%"); ok {
		if signed {
			x += 100
		}
		return x / 100, x > 0
	}
	for _, unit := range units {
		x, ok := number(unit)
		switch {
		case ok && unit == "dB":
			return decibels(x), true
		case ok && unit == "st":
			return math.Pow(2, x/12), true
		}
	}
	x, ok := number("")
	switch {
	case !ok || signed:
		return 0, false
	case units == nil:
		return x, x > 0
	case units[0] == "dB":
		return x / 100, x >= 0 && x <= 100
	}
	return 0, false
}
