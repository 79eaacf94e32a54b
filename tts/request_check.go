package tts

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"repartee/tts/audio"
	"repartee/tts/text"
	"repartee/tts/voice"
)

// order is a checked request.
type order struct {
	Request
	r       *resident
	speaker voice.Speaker
	format  audio.Format
	rate    int
	lexicon *text.Lexicon
}

// check fills in defaults and says which field is wrong.
func (s *Service) check(q Request) (*order, error) {
	o := &order{Request: q}
	if len(q.Text) > s.cfg.MaxText {
		return nil, &FieldError{"text", fmt.Sprintf("%d bytes are too long; at most %d", len(q.Text), s.cfg.MaxText)}
	}
	var err error
	if o.r, err = s.find(q.Voice); err != nil {
		return nil, err
	}
	if o.speaker, err = o.r.speaker(q.Speaker); err != nil {
		return nil, err
	}
	if q.Timestamps && !o.r.info.Timed {
		return nil, &FieldError{"timestamps", fmt.Sprintf("the voice %s does not say when it speaks what; leave it out or take another voice", o.r.name)}
	}
	if q.Format == "" {
		o.Format = FormatMP3
	}
	if o.format, err = audio.Lookup(o.Format); err != nil {
		return nil, &FieldError{"format", err.Error()}
	}
	o.Format = o.format.Name
	if o.rate, err = o.format.Rate(q.SampleRate, o.r.info.SampleRate); err != nil {
		return nil, &FieldError{"sample_rate", err.Error()}
	}
	if !q.Whole {
		o.rate = o.format.Streamed(o.rate)
	}
	if q.Speed == 0 {
		o.Speed = 1
	}
	if !(o.Speed >= 0.25 && o.Speed <= 4) {
		return nil, &FieldError{"speed", fmt.Sprintf("%v is out of range; want 0.25 to 4", q.Speed)}
	}
	if o.lexicon, err = text.NewLexicon(q.Lexicon); err != nil {
		return nil, &FieldError{"lexicon", err.Error()}
	}
	if q.From < 0 || q.From > 0 && !q.Checkpoints || q.Checkpoints && (o.Format != FormatPCM || q.SampleRate != 0 || !q.Whole) {
		return nil, &FieldError{"checkpoints", "want format pcm in one piece at the voice's own rate, and from at least 0"}
	}
	switch q.Pause {
	case "":
		o.Pause = PauseNatural
	case PauseNatural, PauseNone:
	default:
		return nil, &FieldError{"pause", fmt.Sprintf("%q is not known; want %s or %s", q.Pause, PauseNatural, PauseNone)}
	}
	return o, nil
}

// describe is what the order's speech is called outside.
func (o *order) describe() SpeechInfo {
	info := SpeechInfo{Voice: o.r.name, Format: o.Format, ContentType: o.format.ContentType, SampleRate: o.rate}
	if o.Format == FormatPCM {
		info.ContentType = fmt.Sprintf("audio/pcm;rate=%d", o.rate)
	}
	return info
}

// key holds everything that changes the bytes.
func (o *order) key() string {
	h := sha256.New()
	put := func(s string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	put(o.Text)
	put(o.r.name)
	put(o.Format)
	put(o.Pause)
	put(fmt.Sprint(o.speaker, o.rate, o.Seed, o.Whole, o.SSML, o.From, o.Checkpoints, math.Float64bits(o.Speed)))
	for _, k := range slices.Sorted(maps.Keys(o.Lexicon)) {
		put(k)
		put(o.Lexicon[k])
	}
	return string(h.Sum(nil))
}
