package openai

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"

	"repartee/server/native/speech"
	"repartee/server/web"
	"repartee/tts"
)

// speechBody is the wire type of POST /v1/audio/speech.
type speechBody struct {
	Model          string   `json:"model"`
	Input          string   `json:"input"`
	Voice          voiceRef `json:"voice"`
	ResponseFormat string   `json:"response_format"`
	Speed          *float64 `json:"speed"`
	StreamFormat   string   `json:"stream_format"`
	Instructions   string   `json:"instructions"`
}

// voiceRef is a voice's name, or an object with its id.
type voiceRef string

// UnmarshalJSON takes both forms.
func (v *voiceRef) UnmarshalJSON(b []byte) error {
	var name *string
	if json.Unmarshal(b, &name) == nil {
		if name != nil {
			*v = voiceRef(*name)
		}
		return nil
	}
	var object struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(b, &object) != nil || object.ID == "" {
		return &web.Mismatch{Want: "a voice's name"}
	}
	*v = voiceRef(object.ID)
	return nil
}

// openAIVoices are the names of OpenAI's own voices: they stand for the default
// voice.
var openAIVoices = []string{"alloy", "ash", "ballad", "coral", "echo", "fable", "marin", "cedar", "nova", "onyx", "sage", "shimmer", "verse"}

// openAIModels are OpenAI's speech models: they stand for any voice.
var openAIModels = []string{"", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"}

// Speech answers POST /v1/audio/speech.
func (d *Dialect) Speech(r *web.Request) {
	var body speechBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	if d.Speaker == nil {
		r.Fail(speech.ErrNone)
		return
	}
	req, err := body.request(d.Speaker)
	if err != nil {
		r.Fail(err)
		return
	}
	if body.StreamFormat == "sse" {
		d.events(r, req)
		return
	}
	speech.Answer(r, d.Speaker, d.Observer, req)
}

// request validates the body.
func (b *speechBody) request(speaker speech.Speaker) (tts.Request, error) {
	req := tts.Request{Text: b.Input, Format: b.ResponseFormat}
	switch {
	case b.Input == "":
		return req, web.Bad("input", "input: want the text to speak")
	case b.StreamFormat != "" && b.StreamFormat != "audio" && b.StreamFormat != "sse":
		return req, web.Bad("stream_format", `stream_format: want "audio" or "sse"`)
	case b.ResponseFormat == "aac":
		return req, web.Bad("response_format", "response_format: aac is not supported, want mp3, opus, flac, wav or pcm")
	case b.Speed != nil && (*b.Speed < 0.25 || *b.Speed > 4):
		return req, web.Bad("speed", "speed: %g is out of range, want 0.25 … 4", *b.Speed)
	}
	if b.Speed != nil {
		req.Speed = *b.Speed
	}
	var known []string
	modelOK := slices.Contains(openAIModels, b.Model)
	for _, v := range speaker.Voices() {
		known = append(known, v.Name)
		modelOK = modelOK || b.Model == v.Name || b.Model == v.Family
		if b.Model == v.Name {
			req.Voice = v.Name
		}
	}
	if !modelOK {
		return req, web.NotFound("model_not_found", "model", "model "+strconv.Quote(b.Model)+" does not exist; there are: tts-1, tts-1-hd, gpt-4o-mini-tts and the voices of /voices")
	}
	if v := string(b.Voice); v != "" && !slices.Contains(openAIVoices, v) {
		if !slices.Contains(known, v) {
			return req, &tts.ErrUnknownVoice{Name: v, Have: known}
		}
		req.Voice = v
	}
	return req, nil
}

// events answers as server-sent events with base64 pieces.
func (d *Dialect) events(r *web.Request, req tts.Request) {
	ctx, cancel := r.Context()
	sp, err := d.Speaker.Say(ctx, req)
	if err != nil {
		err = web.Ended(ctx, err)
		cancel(nil)
		r.Fail(err)
		return
	}
	r.Stream(ctx, cancel, "text/event-stream; charset=utf-8", nil, func(w *web.StreamWriter) {
		sendEvents(ctx, w, sp)
	}, func() {
		speech.Observe(d.Observer, sp)
		sp.Close()
	})
}

func sendEvents(ctx context.Context, w *web.StreamWriter, sp *tts.Speech) {
	var line []byte
	for {
		b, err := sp.Next(ctx)
		if err != nil {
			if err = web.Ended(ctx, err); errors.Is(err, io.EOF) {
				line = append(line[:0], `{"type":"speech.audio.done","usage":{"input_tokens":0,"output_tokens":0,"total_tokens":0}}`...)
			} else {
				line = web.From(err).AppendJSON(line[:0])
			}
			_ = w.Event(line) // the end either way
			return
		}
		line = append(line[:0], `{"type":"speech.audio.delta","audio":"`...)
		line = append(base64.StdEncoding.AppendEncode(line, b), `"}`...)
		if w.Event(line) != nil {
			return
		}
	}
}
