package openai

import (
	"time"

	"repartee/dialogue"
	"repartee/server/web"
)

// Text answers POST /v1/completions.
func (d *Dialect) Text(r *web.Request) {
	var body textBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	turns, echo, n, err := body.turns(r, d.engine)
	if err != nil {
		r.Fail(err)
		return
	}
	c := &completion{id: "cmpl-" + dialogue.NewID(), object: "text_completion", created: time.Now().Unix(), each: n, text: true, echo: echo}
	d.serve(r, c, turns, body.Stream, body.StreamOptions)
}
