package native

import (
	"encoding/json"
	"strconv"

	"repartee/dialogue"
	"repartee/server/native/speech"
	"repartee/server/web"
	"repartee/tts"
)

// Dialect serves the own routes over the rooms behind.
type Dialect struct {
	Dialogue *dialogue.Service
	Speaker  speech.Speaker  // nil = speech is switched off
	Observer speech.Observer // of speech; nil = nobody
}

type ttsBody struct {
	Text       string            `json:"text"`
	Voice      string            `json:"voice"`
	Speaker    string            `json:"speaker"`
	Format     string            `json:"format"`
	Speed      *float64          `json:"speed"`
	Pause      string            `json:"pause"`
	SampleRate int               `json:"sample_rate"`
	Seed       uint64            `json:"seed"`
	Stream     *bool             `json:"stream"`
	SSML       bool              `json:"ssml"`
	Lexicon    map[string]string `json:"lexicon"`
	Priority   string            `json:"priority"`
	Timestamps bool              `json:"timestamps"`
}

// TTS answers POST and GET /tts.
func (d *Dialect) TTS(r *web.Request) {
	var body ttsBody
	if string(r.HTTP.Method()) == "POST" {
		if err := web.Decode(r.HTTP, &body); err != nil {
			r.Fail(err)
			return
		}
	} else if err := body.query(r); err != nil {
		r.Fail(err)
		return
	}
	switch body.Priority {
	case "", "interactive", "batch":
	default:
		r.Fail(web.Bad("priority", `priority: want "interactive" or "batch"`))
		return
	}
	req := tts.Request{Text: body.Text, Voice: body.Voice, Speaker: body.Speaker, Format: body.Format, Pause: body.Pause, SampleRate: body.SampleRate, Seed: body.Seed, SSML: body.SSML, Lexicon: body.Lexicon, Batch: body.Priority == "batch", Timestamps: body.Timestamps}
	if body.Speed != nil {
		if req.Speed = *body.Speed; req.Speed == 0 {
			r.Fail(web.Bad("speed", "speed: want 0.25 … 4"))
			return
		}
	}
	req.Whole = body.Timestamps || body.Stream != nil && !*body.Stream
	speech.Answer(r, d.Speaker, d.Observer, req)
}

// query reads the parameters of GET /tts.
func (b *ttsBody) query(r *web.Request) error {
	q := r.HTTP.QueryArgs()
	b.Text, b.Voice, b.Format, b.Pause = string(q.Peek("text")), string(q.Peek("voice")), string(q.Peek("format")), string(q.Peek("pause"))
	b.Speaker, b.Priority = string(q.Peek("speaker")), string(q.Peek("priority"))
	if v := string(q.Peek("sample_rate")); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return web.Bad("sample_rate", "sample_rate: want a whole number of Hz")
		}
		b.SampleRate = n
	}
	for name, set := range map[string]func(bool){"ssml": func(v bool) { b.SSML = v }, "stream": func(v bool) { b.Stream = &v }, "timestamps": func(v bool) { b.Timestamps = v }} {
		if v := string(q.Peek(name)); v != "" {
			on, err := strconv.ParseBool(v)
			if err != nil {
				return web.Bad(name, "%s: want true or false", name)
			}
			set(on)
		}
	}
	if v := string(q.Peek("speed")); v != "" {
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return web.Bad("speed", "speed: want a number from 0.25 to 4")
		}
		b.Speed = &f
	}
	if v := string(q.Peek("seed")); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return web.Bad("seed", "seed: want a whole number, at least 0")
		}
		b.Seed = n
	}
	return nil
}

// Voices answers GET /voices.
func (d *Dialect) Voices(r *web.Request) {
	out := struct {
		Default string      `json:"default"`
		Voices  []tts.Voice `json:"voices"`
	}{Voices: []tts.Voice{}}
	if d.Speaker != nil {
		out.Default, out.Voices = d.Speaker.Default(), d.Speaker.Voices()
	}
	body, err := json.Marshal(out)
	if err != nil {
		r.Fail(err)
		return
	}
	r.JSON(body)
}
