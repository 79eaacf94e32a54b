package native

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"time"

	"github.com/fasthttp/websocket"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/server/openai"
	"repartee/server/web"
)

// startBody is the client's start message.
type startBody struct {
	Model   string `json:"model"`
	Voice   string `json:"voice"`
	System  string `json:"system"`
	Session string `json:"session"`
	Speak   bool   `json:"speak"`
	// Of the turns that follow.
	ContextShift *bool `json:"context_shift"`
	ContextKeep  *int  `json:"context_keep"`
	Audio        struct {
		Format     string `json:"format"`
		SampleRate int    `json:"sample_rate"`
	} `json:"audio"`
}

// message is any message of a client.
type message struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Replace bool   `json:"replace"`
	Flush   bool   `json:"flush"`
	Speak   *bool  `json:"speak"`
}

// handle acts on one message.
func (c *socket) handle(data []byte) {
	var m message
	if err := web.DecodeBytes(data, &m); err != nil {
		c.fail(err)
		return
	}
	switch m.Type {
	case "start":
		c.restart(data)
	case "input":
		if m.Replace {
			c.input = ""
		}
		if len(c.input)+len(m.Text) > maxFrame {
			c.fail(web.Bad("text", "text: the turn's input is over 1 MiB"))
			return
		}
		c.input += m.Text
		if c.input == "" {
			c.typing.commit() // the user thought better of it
			return
		}
		body := c.base
		body.Message = c.input
		c.prepare(body)
	case "commit":
		if c.input == "" {
			c.fail(web.Bad("text", "text: there is no input to commit"))
			return
		}
		body := c.base
		body.Message = c.input
		if c.begin(body, c.start.Speak) {
			c.input = ""
		}
	case "chat":
		body := c.base
		if err := web.DecodeBytes(data, &body); err != nil {
			c.fail(err)
			return
		}
		speak := c.start.Speak
		if m.Speak != nil {
			speak = *m.Speak
		}
		c.begin(body, speak)
	case "say":
		c.sayText(m.Text, m.Flush)
	case "cancel":
		c.cancelTurn()
	default:
		c.fail(web.Bad("type", "type: %q is none of start, input, commit, chat, say, cancel", m.Type))
	}
}

// restart sets the defaults of the conversation.
func (c *socket) restart(data []byte) {
	var b startBody
	if err := web.DecodeBytes(data, &b); err != nil {
		c.fail(err)
		return
	}
	if _, _, err := c.d.Dialogue.Engine(b.Model, ""); err != nil && b.Model != "" {
		c.fail(err)
		return
	}
	if b.Speak && c.d.Speaker == nil {
		c.fail(web.Bad("speak", "speak: this server has no voices"))
		return
	}
	if err := openai.ContextShift(&dialogue.Turn{}, b.ContextShift, b.ContextKeep); err != nil {
		c.fail(err)
		return
	}
	if b.Audio.Format != "" && b.Audio.Format != "pcm" {
		c.fail(web.Bad("audio.format", "audio.format: only pcm is sent over a WebSocket"))
		return
	}
	c.start = b
	c.base.Model, c.base.System = b.Model, b.System
	c.base.ContextShift, c.base.ContextKeep = b.ContextShift, b.ContextKeep
	if b.Session != "" {
		c.base.Session = b.Session
	}
	c.ready()
}

// ready tells the conversation's settings.
func (c *socket) ready() {
	_, model, err := c.d.Dialogue.Engine(c.base.Model, "")
	if err != nil {
		model = ""
	}
	voice := c.start.Voice
	if voice == "" && c.d.Speaker != nil {
		voice = c.d.Speaker.Default()
	}
	b := web.AppendString([]byte(`{"type":"ready","session":`), c.base.Session)
	b = web.AppendString(append(b, `,"model":`...), model)
	b = web.AppendString(append(b, `,"voice":`...), voice)
	c.send(append(b, '}'))
}

// begin starts a turn and tells whether it did; one runs at a time, so that a
// second is refused.
func (c *socket) begin(body chatBody, speak bool) bool {
	if c.d.Dialogue.Models().DefaultName() == "" {
		c.fail(web.NotFound("model_not_found", "model", "this server has no language model"))
		return false
	}
	if c.busy() {
		c.fail(&web.Error{Status: 409, Type: "invalid_request_error", Code: "busy", Msg: "a turn is running: cancel it first"})
		return false
	}
	turn, err := body.turn(&web.Request{Namespace: c.space, Weight: c.weight, ID: c.id})
	if err != nil {
		c.fail(err)
		return false
	}
	c.typing.commit()
	return c.run(func(ctx context.Context, n int) error { return c.answer(ctx, n, turn, speak) })
}

// run gives f a goroutine and a turn number, and tells whether it did: a server
// that drains takes no more work.
func (c *socket) run(f func(ctx context.Context, turn int) error) bool {
	if !c.all.Enter() {
		c.fail(&web.Error{Status: 503, Type: "server_error", Code: "draining", Msg: "the server is shutting down"})
		return false
	}
	ctx, cancel := context.WithCancel(c.root)
	done := make(chan struct{})
	c.turn++
	n := c.turn
	c.mu.Lock()
	c.cancel, c.done, c.told = cancel, done, false
	c.mu.Unlock()
	go func() {
		defer c.all.Leave()
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				slog.Error("panic in a turn", "id", c.id, "panic", p)
				c.fail(&web.Error{Status: 500, Type: "server_error", Msg: "internal error"})
			}
			cancel()
			c.mu.Lock()
			c.cancel = nil
			c.typing.look()
			c.mu.Unlock()
			if c.draining.Load() { // behind what the turn has still to send
				c.leave()
			}
		}()
		if err := f(ctx, n); err != nil {
			c.tell()
			c.fail(err)
		}
	}()
	return true
}

// tell notes that the turn's last message is about to be sent: a client that has
// read it may begin the next turn at once.
func (c *socket) tell() {
	c.mu.Lock()
	c.told = true
	c.mu.Unlock()
}

// busy tells whether a turn runs. One whose end the client has been told of is
// waited for: only its tidying up is left.
func (c *socket) busy() bool {
	c.mu.Lock()
	running, told, done := c.cancel != nil, c.told, c.done
	c.mu.Unlock()
	if running && told {
		<-done
		return false
	}
	return running
}

// running tells whether a turn runs, or tidies up.
func (c *socket) running() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cancel != nil
}

func (c *socket) cancelTurn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.cancel()
	}
}

func (c *socket) waitTurn() {
	c.mu.Lock()
	done := c.done
	c.mu.Unlock()
	if done != nil {
		<-done
	}
}

// answer runs a chat turn: tokens as they come, speech beside them.
func (c *socket) answer(ctx context.Context, n int, turn dialogue.Turn, speak bool) error {
	began := time.Now()
	// The run itself must end in order, so that the session keeps what came:
	// its own context is cancelled, the reading goes on to the end.
	genCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, stop)()
	run, err := c.d.Dialogue.Start(genCtx, turn)
	if err != nil {
		return err
	}
	defer run.Close()
	var voice *narration
	if speak && c.d.Speaker != nil {
		if voice, err = c.narrate(ctx, n, began); err != nil {
			return err
		}
		defer voice.end()
	}
	for {
		d, err := run.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		pooled := frames.Get().(*[]byte)
		b := strconv.AppendInt(append((*pooled)[:0], `{"type":"token","turn":`...), int64(n), 10)
		b = append(web.AppendString(append(b, `,"text":`...), d.Text), '}')
		c.queue(frame{websocket.TextMessage, b, pooled})
		if voice != nil {
			if err := voice.narrator.Write(d.Text); err != nil {
				return err
			}
		}
	}
	res := run.Result()
	spoken := res.Text
	if voice != nil {
		spoken = voice.finish(ctx)
	}
	if ctx.Err() != nil || res.Finish == inference.FinishCancelled {
		if voice != nil {
			run.Revise(spoken)
		}
		b := strconv.AppendInt([]byte(`{"type":"cancelled","turn":`), int64(n), 10)
		c.tell()
		c.send(append(web.AppendString(append(b, `,"spoken":`...), spoken), '}'))
		return nil
	}
	c.finished(n, run, res, voice)
	return nil
}

// finished sends the end of a turn.
func (c *socket) finished(n int, run *dialogue.Run, res dialogue.Result, voice *narration) {
	b := strconv.AppendInt([]byte(`{"type":"done","turn":`), int64(n), 10)
	b = appendResult(append(b, ','), run, "", res, false)
	if voice != nil && voice.first > 0 {
		b = b[:len(b)-1] // reopen timings
		b = strconv.AppendFloat(append(b, `,"first_audio_ms":`...), float64(voice.first.Microseconds())/1000, 'f', 2, 64)
		b = append(b, '}')
	}
	c.tell()
	c.send(append(b, '}'))
}
