package voice

import (
	"fmt"
	"strconv"
	"strings"
)

// Speaker says who speaks: one speaker of a voice, or a mix of several. The
// zero value is the first one.
type Speaker struct {
	ID int
	// Mix, when set, is used in place of ID; the weights add up to 1.
	Mix []Share
}

// Share is one speaker's part in a mix.
type Share struct {
	ID     int
	Weight float32
}

// maxMix bounds the speakers of a mix.
const maxMix = 8

// Speaker finds a speaker by name or number; "" is the first. A voice that
// Blends takes a mix too: "af_bella(2)+af_sky(1)", weights 1 where left out.
// The error says what there is.
func (i Info) Speaker(name string) (Speaker, error) {
	if name == "" {
		return Speaker{}, nil
	}
	if id, ok := i.speakerID(name); ok {
		return Speaker{ID: id}, nil
	}
	if len(i.Speakers) == 0 {
		return Speaker{}, fmt.Errorf("the voice has one speaker only")
	}
	if !i.Blends || !strings.ContainsAny(name, "+(") {
		return Speaker{}, fmt.Errorf("no speaker %q; there are: %s", name, strings.Join(i.Speakers, ", "))
	}
	parts := strings.Split(name, "+")
	if len(parts) > maxMix {
		return Speaker{}, fmt.Errorf("a mix of %d speakers: at most %d", len(parts), maxMix)
	}
	var s Speaker
	sum := float32(0)
	for _, p := range parts {
		p = strings.TrimSpace(p)
		weight := 1.0
		if who, w, ok := strings.Cut(p, "("); ok {
			var err error
			if weight, err = strconv.ParseFloat(strings.TrimSuffix(w, ")"), 64); err != nil || !strings.HasSuffix(w, ")") || !(weight > 0 && weight <= 1000) {
				return Speaker{}, fmt.Errorf("weight of %q: want a number above 0 and up to 1000 in brackets", p)
			}
			p = strings.TrimSpace(who)
		}
		id, ok := i.speakerID(p)
		if !ok {
			return Speaker{}, fmt.Errorf("no speaker %q; there are: %s", p, strings.Join(i.Speakers, ", "))
		}
		s.Mix = append(s.Mix, Share{id, float32(weight)})
		sum += float32(weight)
	}
	for k := range s.Mix {
		s.Mix[k].Weight /= sum
	}
	s.ID = s.Mix[0].ID
	return s, nil
}

func (i Info) speakerID(name string) (int, bool) {
	for id, s := range i.Speakers {
		if s == name || strconv.Itoa(id) == name {
			return id, true
		}
	}
	return 0, false
}

// Accent is the language espeak-ng is to read in for a speaker; of a mix the
// first one's.
func (i Info) Accent(s Speaker) string {
	if s.ID < len(i.Accents) {
		return i.Accents[s.ID]
	}
	return i.Espeak
}

// Speed parts a speed, above 0, into what the voice does itself and the factor by which
// its sound is to be stretched, 2 halving its length.
func (i Info) Speed(want float64) (own, stretched float64) {
	own = want
	if i.Slowest > 0 {
		own = max(own, i.Slowest)
	}
	if i.Fastest > 0 {
		own = min(own, i.Fastest)
	}
	return own, want / own
}
