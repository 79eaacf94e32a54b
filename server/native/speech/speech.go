// Package speech answers a request with audio: what the dialects that can speak
// share.
package speech

import (
	"context"
	"errors"
	"fmt"
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

// ErrNone answers speech requests of a server without voices.
var ErrNone = web.NotFound("voice_not_found", "voice", "this server has no voices: it was started with --voice none")

// Answer answers with speech, piece by piece unless the request wants it whole.
func Answer(r *web.Request, speaker Speaker, req tts.Request) {
	if speaker == nil {
		r.Fail(ErrNone)
		return
	}
	ctx, cancel := r.Context()
	speech, err := speaker.Say(ctx, req)
	if err != nil {
		cancel()
		r.Fail(err)
		return
	}
	info := speech.Info()
	h := &r.HTTP.Response.Header
	h.Set("X-Sample-Rate", strconv.Itoa(info.SampleRate))
	h.Set("X-Voice", info.Voice)
	h.Set("X-Cache", map[bool]string{true: "hit", false: "miss"}[info.CacheHit])
	timing := func() (time.Duration, string) {
		t := speech.Timings()
		engine := t.Text + t.Inference
		return engine, fmt.Sprintf("tts;dur=%.2f, text;dur=%.2f, inference;dur=%.2f, encode;dur=%.2f, queue;dur=%.2f, total;dur=%.2f",
			ms(engine), ms(t.Text), ms(t.Inference), ms(t.Encode), ms(t.Queue), ms(t.Total))
	}
	if req.Whole {
		defer cancel()
		defer speech.Close()
		var audio []byte
		for {
			b, err := speech.Next(ctx)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				r.Fail(err)
				return
			}
			audio = append(audio, b...)
		}
		_, line := timing()
		h.Set("Server-Timing", line)
		r.HTTP.SetContentType(info.ContentType)
		r.HTTP.SetBody(audio)
		return
	}
	// The first piece is waited for, so that what fails at once is a status.
	first, err := speech.Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		speech.Close()
		cancel()
		r.Fail(err)
		return
	}
	first = append([]byte(nil), first...)
	r.Stream(info.ContentType, []string{"Server-Timing"}, func(w *web.StreamWriter) {
		b := first
		for {
			if _, err := w.Write(b); err != nil {
				return
			}
			if w.Flush() != nil {
				return
			}
			var err error
			if b, err = speech.Next(ctx); err != nil {
				break // the end, or a cut that the missing trailer shows
			}
		}
		_, line := timing()
		w.Trailer("Server-Timing", line)
	}, func() { speech.Close(); cancel() })
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
