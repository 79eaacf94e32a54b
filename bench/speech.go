package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-json"
)

// SpeechAPI is how a server is asked for speech.
type SpeechAPI string

// The ways. Own is POST /tts, OpenAI is POST /v1/audio/speech, Piper is the
// Piper package's own HTTP server, POST / with {"text"}.
const (
	SpeechOwn    SpeechAPI = "own"
	SpeechOpenAI SpeechAPI = "openai"
	SpeechPiper  SpeechAPI = "piper"
)

// SpeechResult is what the client saw of one speech request.
type SpeechResult struct {
	Sent     time.Time
	First    time.Time // first byte behind a WAV header, or of the body
	End      time.Time
	Bytes    int
	Sum      [32]byte // SHA-256 of the body
	Hit      bool
	Server   ServerTimings
	Audio    time.Duration // 0 when the format does not tell
	Dry      time.Duration // how long a player that starts at First waits for audio
	Encoding string        // Content-Type
}

// Total is the time from sending to the last byte, milliseconds.
func (r *SpeechResult) Total() float64 { return ms(r.End.Sub(r.Sent)) }

// FirstByte is the time from sending to the first audio, milliseconds.
func (r *SpeechResult) FirstByte() float64 { return ms(r.First.Sub(r.Sent)) }

// Say asks for speech. Plain asks for an answer in one piece, whose
// Server-Timing header holds the engine's time.
func (t *Target) Say(ctx context.Context, text, format string, plain bool, extra map[string]any) (SpeechResult, error) {
	var r SpeechResult
	path, body := "/tts", map[string]any{"text": text, "format": format, "stream": !plain}
	switch t.Speech {
	case SpeechOpenAI:
		path, body = "/v1/audio/speech", map[string]any{"model": "tts-1", "input": text, "response_format": format}
	case SpeechPiper:
		path, body = "/", map[string]any{"text": text}
	}
	if t.Voice != "" {
		body["voice"] = t.Voice
	} else if t.Speech == SpeechOpenAI {
		body["voice"] = "alloy"
	}
	maps.Copy(body, t.Extra)
	maps.Copy(body, extra)
	data, err := json.Marshal(body)
	if err != nil {
		return r, fmt.Errorf("bench: request body: %w", err)
	}
	x, err := t.Client.Do(ctx, http.MethodPost, path, "application/json", data)
	if err != nil {
		return r, err
	}
	defer x.Close()
	r.Sent, r.Encoding = x.Sent, x.Header.Get("Content-Type")
	if x.Status != http.StatusOK {
		answer, _ := x.ReadAll(1 << 16)
		return r, statusError(x.Status, answer)
	}
	if err := r.read(x); err != nil {
		return r, err
	}
	r.Hit = strings.EqualFold(x.Header.Get("X-Cache"), "hit")
	r.Server.addHeader(x.Header.Get("Server-Timing"))
	r.Server.addHeader(x.Trailer().Get("Server-Timing"))
	return r, nil
}

// maxAudio bounds one answer, bytes (50 minutes of 44.1 kHz mono PCM).
const maxAudio = 256 << 20

func (r *SpeechResult) read(x *Exchange) error {
	sum := sha256.New()
	player := newPlayer(r.Encoding, x.Header.Get("X-Sample-Rate"))
	buf := make([]byte, 16<<10)
	for {
		n, err := x.Read(buf)
		if n > 0 {
			r.Bytes += n
			sum.Write(buf[:n])
			if player.take(buf[:n], x.At()) && r.First.IsZero() {
				r.First = x.At()
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if r.Bytes > maxAudio {
			return fmt.Errorf("bench: answer longer than %d bytes", maxAudio)
		}
	}
	r.End = x.At()
	if r.First.IsZero() {
		return errors.New("bench: an answer without audio")
	}
	sum.Sum(r.Sum[:0])
	r.Audio, r.Dry = player.length(), player.dry
	return nil
}

// player follows a stream of audio as a listener would who starts at the first
// byte. It understands WAV and raw 16-bit PCM; of other formats it knows only
// when bytes came.
type player struct {
	head  []byte // of a WAV file, until its data begin
	wav   bool
	rate  int // bytes a second of audio, 0 = unknown
	data  int // audio bytes so far
	began time.Time
	dry   time.Duration
}

func newPlayer(contentType, sampleRate string) *player {
	p := &player{wav: strings.Contains(contentType, "wav")}
	if strings.Contains(contentType, "pcm") || strings.Contains(contentType, "L16") {
		if hz, err := strconv.Atoi(sampleRate); err == nil {
			p.rate = 2 * hz
		}
	}
	return p
}

// take hands bytes to the player and tells whether audio has begun.
func (p *player) take(b []byte, at time.Time) bool {
	if p.wav {
		p.head = append(p.head, b...)
		i := bytes.Index(p.head, []byte("data"))
		if i < 0 || len(p.head) < i+8 || i < 36 {
			if len(p.head) > 4096 { // no WAV file after all
				p.wav = false
			}
			return !p.wav
		}
		p.rate = int(binary.LittleEndian.Uint32(p.head[28:32]))
		p.wav, b = false, p.head[i+8:]
		p.head = nil
	}
	if len(b) == 0 {
		return false
	}
	if p.began.IsZero() {
		p.began = at
	} else if p.rate > 0 {
		// What had come before these bytes is played by now, or it ran dry.
		if late := at.Sub(p.began) - p.length() - p.dry; late > 0 {
			p.dry += late
		}
	}
	p.data += len(b)
	return true
}

// length is the audio so far.
func (p *player) length() time.Duration {
	if p.rate <= 0 {
		return 0
	}
	return time.Duration(float64(p.data) / float64(p.rate) * float64(time.Second))
}

// FindSpeech finds out how the server is asked for speech.
func (t *Target) FindSpeech(ctx context.Context) {
	if t.Speech != "" {
		return
	}
	t.Speech = SpeechOpenAI
	if _, body, err := t.get(ctx, "/voices"); err == nil {
		t.Speech = SpeechOwn
		// The Piper package's own server lists its voices as an object by name.
		var byName map[string]struct {
			Espeak json.RawMessage `json:"espeak"`
		}
		if json.Unmarshal(body, &byName) == nil {
			for _, v := range byName {
				if v.Espeak != nil {
					t.Speech = SpeechPiper
				}
			}
		}
	}
}
