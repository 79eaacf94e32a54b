package native

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"repartee/server/web"
	"repartee/tts"
)

// narration is the speech of one turn: its own goroutine sends audio and marks.
type narration struct {
	narrator *tts.Narrator
	cancel   context.CancelFunc
	ended    chan struct{}
	mu       sync.Mutex
	spoken   strings.Builder
	first    time.Duration
}

func (c *socket) narrate(ctx context.Context, n int, began time.Time) (*narration, error) {
	ctx, cancel := context.WithCancel(ctx)
	narrator, err := c.d.Speaker.Narrate(ctx, tts.Request{Voice: c.start.Voice, SampleRate: c.start.Audio.SampleRate})
	if err != nil {
		cancel()
		return nil, err
	}
	v := &narration{narrator: narrator, cancel: cancel, ended: make(chan struct{})}
	go func() {
		defer close(v.ended)
		defer func() {
			if p := recover(); p != nil {
				slog.Error("panic in a narration", "id", c.id, "panic", p)
			}
		}()
		rate := 0
		for {
			clause, err := narrator.Next(ctx)
			if err != nil {
				if !errors.Is(err, io.EOF) && ctx.Err() == nil {
					c.fail(err)
				}
				return
			}
			if v.first == 0 {
				v.first = time.Since(began)
			}
			if rate != clause.SampleRate {
				rate = clause.SampleRate
				b := strconv.AppendInt([]byte(`{"type":"audio","turn":`), int64(n), 10)
				b = strconv.AppendInt(append(b, `,"format":"pcm","sample_rate":`...), int64(rate), 10)
				c.send(append(b, '}'))
			}
			if len(clause.PCM) > 0 {
				pcm := make([]byte, 0, 2*len(clause.PCM))
				for _, s := range clause.PCM {
					pcm = binary.LittleEndian.AppendUint16(pcm, uint16(s))
				}
				c.queue(frame{kind: websocket.BinaryMessage, data: pcm})
			}
			if !clause.Final {
				continue
			}
			v.mu.Lock()
			v.spoken.WriteString(clause.Text)
			v.mu.Unlock()
			b := strconv.AppendInt([]byte(`{"type":"mark","turn":`), int64(n), 10)
			b = web.AppendString(append(b, `,"text":`...), clause.Text)
			b = strconv.AppendInt(append(b, `,"audio_ms":`...), clause.Audio.Milliseconds(), 10)
			c.send(append(b, '}'))
		}
	}()
	return v, nil
}

// finish waits for the rest of the speech and returns what was spoken.
func (v *narration) finish(ctx context.Context) string {
	if ctx.Err() == nil && v.narrator.Flush() == nil {
		<-v.ended
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.spoken.String()
}

func (v *narration) end() {
	v.narrator.Cancel()
	v.cancel()
	<-v.ended
}

// sayText speaks text that comes in pieces, a turn from the first piece to
// flush.
func (c *socket) sayText(text string, flush bool) {
	if c.d.Speaker == nil {
		c.fail(web.NotFound("voice_not_found", "voice", "this server has no voices"))
		return
	}
	busy := c.busy()
	if busy && c.say == nil {
		c.fail(&web.Error{Status: 409, Type: "invalid_request_error", Code: "busy", Msg: "a turn is running: cancel it first"})
		return
	}
	if !busy {
		c.say = nil
	}
	if c.say == nil {
		started := make(chan *narration, 1)
		running := c.run(func(ctx context.Context, n int) error {
			v, err := c.narrate(ctx, n, time.Now())
			started <- v
			if err != nil {
				return err
			}
			defer v.end()
			select {
			case <-v.ended:
			case <-ctx.Done():
				b := strconv.AppendInt([]byte(`{"type":"cancelled","turn":`), int64(n), 10)
				v.mu.Lock()
				b = web.AppendString(append(b, `,"spoken":`...), v.spoken.String())
				v.mu.Unlock()
				c.tell()
				c.send(append(b, '}'))
				return nil
			}
			b := strconv.AppendInt([]byte(`{"type":"done","turn":`), int64(n), 10)
			b = append(b, `,"finish_reason":"stop","timings":{"first_audio_ms":`...)
			b = strconv.AppendFloat(b, float64(v.first.Microseconds())/1000, 'f', 2, 64)
			c.tell()
			c.send(append(b, "}}"...))
			return nil
		})
		if !running {
			return
		}
		if c.say = <-started; c.say == nil {
			return
		}
	}
	if text != "" {
		if err := c.say.narrator.Write(text); err != nil {
			c.fail(err)
		}
	}
	if flush {
		if err := c.say.narrator.Flush(); err != nil {
			c.fail(err)
		}
		c.say = nil
	}
}
