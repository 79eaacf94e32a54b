// Package speech answers a request with audio: what the dialects that can speak
// share.
package speech

import (
	"context"
	"errors"
	"io"
	"strconv"
	"time"

	"repartee/server/web"
	"repartee/tts"
)

// Speaker makes speech. *tts.Service is one.
type Speaker interface {
	Voices() []tts.Voice
	Default() string
	Say(ctx context.Context, r tts.Request) (*tts.Speech, error)
	Narrate(ctx context.Context, r tts.Request) (*tts.Narrator, error)
}

// Observer is told of every speech that was made, not of those out of the cache.
type Observer interface {
	Spoken(voice string, firstAudio, synthesis, audio float64) // seconds
}

// ErrNone answers speech requests of a server without voices.
var ErrNone = web.NotFound("voice_not_found", "voice", "this server has no voices: it was started with --voice none")

// Answer answers with speech, piece by piece unless the request wants it whole.
func Answer(r *web.Request, speaker Speaker, o Observer, req tts.Request) {
	if speaker == nil {
		r.Fail(ErrNone)
		return
	}
	ctx, cancel := r.Context()
	speech, err := speaker.Say(ctx, req)
	if err != nil {
		err = web.Ended(ctx, err)
		cancel(nil)
		r.Fail(err)
		return
	}
	info := speech.Info()
	h := &r.HTTP.Response.Header
	h.Set("X-Sample-Rate", strconv.Itoa(info.SampleRate))
	h.Set("X-Voice", info.Voice)
	h.Set("X-Cache", map[bool]string{true: "hit", false: "miss"}[info.CacheHit])
	timing := func() string {
		t := speech.Timings()
		return string(web.AppendTiming(nil, web.Mark{Name: "tts", D: t.Text + t.Inference}, web.Mark{Name: "text", D: t.Text},
			web.Mark{Name: "inference", D: t.Inference}, web.Mark{Name: "encode", D: t.Encode}, web.Mark{Name: "queue", D: t.Queue},
			web.Mark{Name: "first", D: t.First}, web.Mark{Name: "total", D: t.Total}))
	}
	fail := func(err error) {
		err = web.Ended(ctx, err)
		speech.Close()
		cancel(nil)
		for _, name := range []string{"X-Sample-Rate", "X-Voice", "X-Cache"} {
			h.Del(name)
		}
		r.Fail(err)
	}
	finish := func() {
		Observe(o, speech)
		speech.Close()
	}
	if req.Whole {
		var audio []byte
		for {
			b, err := speech.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				fail(err)
				return
			}
			audio = append(audio, b...)
		}
		h.Set("Server-Timing", timing())
		finish()
		cancel(nil)
		if req.Timestamps {
			h.Del("X-Sample-Rate")
			r.JSON(withTimes(audio, info, speech.Timings().Audio, speech.Captions()))
			return
		}
		r.HTTP.SetContentType(info.ContentType)
		r.HTTP.Response.SetBodyRaw(audio)
		return
	}
	// The first piece is waited for, so that what fails at once is a status.
	first, err := speech.Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		fail(err)
		return
	}
	trailers := []string{"Server-Timing"}
	if !r.HTTP.Request.Header.IsHTTP11() {
		r.Timing(web.Mark{Name: "first", D: time.Since(r.Began)})
	}
	r.Stream(ctx, cancel, info.ContentType, trailers, func(w *web.StreamWriter) {
		b, err := first, err
		for ; err == nil; b, err = speech.Next(ctx) {
			if w.Send(b) != nil {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			w.Cut() // there is no place for an error in audio
			return
		}
		w.Trailer("Server-Timing", timing())
	}, finish)
}

// Observe reports a finished speech.
func Observe(o Observer, sp *tts.Speech) {
	if o == nil {
		return
	}
	info, t := sp.Info(), sp.Timings()
	if t.Audio > 0 && !info.CacheHit && t.Total > 0 {
		o.Spoken(info.Voice, t.First.Seconds(), (t.Text + t.Inference).Seconds(), t.Audio.Seconds())
	}
}
