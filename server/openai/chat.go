package openai

import (
	"context"
	"time"

	"repartee/dialogue"
	"repartee/server/native/speech"
	"repartee/server/web"
)

// Dialect serves the OpenAI routes over the rooms behind.
type Dialect struct {
	Dialogue *dialogue.Service
	Speaker  speech.Speaker  // nil = no speech
	Observer speech.Observer // of speech; nil = nobody
	Created  time.Time
}

// engine finds the model that a name means.
func (d *Dialect) engine(name string) (dialogue.Engine, error) {
	e, _, err := d.Dialogue.Engine(name, "")
	return e, err
}

// Chat answers POST /v1/chat/completions.
func (d *Dialect) Chat(r *web.Request) {
	var body chatBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	turn, n, err := body.turn(r, d.engine)
	if err != nil {
		r.Fail(err)
		return
	}
	c := &completion{id: "chatcmpl-" + dialogue.NewID(), object: "chat.completion", created: time.Now().Unix(), each: n}
	d.serve(r, c, []dialogue.Turn{turn}, body.Stream, body.StreamOptions)
}

// serve starts every turn c.each times and answers, plain or streamed.
func (d *Dialect) serve(r *web.Request, c *completion, turns []dialogue.Turn, streamed bool, o *streamOptions) {
	ctx, cancel := r.Context()
	runs, err := d.start(ctx, turns, c.each)
	if err != nil {
		err = web.Ended(ctx, err)
		cancel(nil)
		r.Fail(err)
		return
	}
	discard := func() {
		for _, run := range runs {
			run.Discard()
		}
	}
	c.model = runs[0].Model()
	if !streamed {
		defer cancel(nil)
		if err := c.answer(ctx, r, runs); err != nil {
			discard()
			r.Fail(web.Ended(ctx, err))
		}
		return
	}
	if err := runs[0].Await(ctx, web.AwaitFirst); err != nil {
		discard()
		err = web.Ended(ctx, err)
		cancel(nil)
		r.Fail(err)
		return
	}
	c.usage = o != nil && o.IncludeUsage
	r.Timing(web.Mark{Name: "first", D: time.Since(r.Began)})
	r.Stream(ctx, cancel, "text/event-stream; charset=utf-8", nil, func(w *web.StreamWriter) {
		c.stream(ctx, w, runs)
	}, func() {
		for _, run := range runs {
			run.Close()
		}
	})
}

// start submits each turn n times; a fixed seed is varied by the choice.
func (d *Dialect) start(ctx context.Context, turns []dialogue.Turn, n int) ([]*dialogue.Run, error) {
	var runs []*dialogue.Run
	for i := range n * len(turns) {
		t := turns[i/n]
		if t.Sampling.Seed != nil {
			seed := *t.Sampling.Seed + int64(i%n)
			t.Sampling.Seed = &seed
		}
		run, err := d.Dialogue.Start(ctx, t)
		if err != nil {
			for _, r := range runs {
				r.Discard()
			}
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}
