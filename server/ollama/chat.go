package ollama

import (
	"errors"
	"strconv"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/server/web"
)

// Dialect serves the Ollama routes over the rooms behind.
type Dialect struct {
	Dialogue *dialogue.Service
	Version  string
}

// chatBody is the wire type of POST /api/chat.
type chatBody struct {
	common
	Messages []message `json:"messages"`
	Tools    []tool    `json:"tools"`
}

// Chat answers POST /api/chat.
func (d *Dialect) Chat(r *web.Request) {
	var body chatBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	a := &answer{kind: "message"}
	if err := d.check(body.Model, a); err != nil {
		r.Fail(err)
		return
	}
	if len(body.Messages) == 0 {
		a.loaded(r, body.unloads())
		return
	}
	t, err := body.turn(r)
	if err == nil {
		t.Messages, err = messages(body.Messages)
	}
	if err == nil {
		t.Tools, err = tools(body.Tools)
	}
	if err != nil {
		r.Fail(err)
		return
	}
	d.serve(r, a, t, body.streamed())
}

// generateBody is the wire type of POST /api/generate.
type generateBody struct {
	common
	Prompt  string            `json:"prompt"`
	Suffix  string            `json:"suffix"`
	System  string            `json:"system"`
	Raw     bool              `json:"raw"`
	Context []inference.Token `json:"context"`
	Images  []string          `json:"images"`
}

// Generate answers POST /api/generate.
func (d *Dialect) Generate(r *web.Request) {
	var body generateBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	a := &answer{kind: "response"}
	if err := d.check(body.Model, a); err != nil {
		r.Fail(err)
		return
	}
	if body.Prompt == "" {
		a.loaded(r, body.unloads())
		return
	}
	t, err := d.generate(r, &body)
	if err != nil {
		r.Fail(err)
		return
	}
	d.serve(r, a, t, body.streamed())
}

// generate translates the body. With a context, the earlier turns stand in
// front as the tokens they were.
func (d *Dialect) generate(r *web.Request, body *generateBody) (dialogue.Turn, error) {
	t, err := body.turn(r)
	if err != nil {
		return t, err
	}
	switch {
	case len(body.Images) > 0:
		return t, web.Bad("images", "images: this server's models see no images")
	case body.Raw:
		t.Prompt = body.Prompt
		return t, nil
	}
	t.Messages, err = messages([]message{{Role: "user", Content: body.Prompt}})
	t.System = body.System
	t.Before, t.Context = body.Context, true
	return t, err
}

// check finds the model and names it in the answer.
func (d *Dialect) check(model string, a *answer) error {
	if model == "" {
		return web.Bad("model", "model is required")
	}
	e, name, err := d.Dialogue.Engine(model, "")
	var unknown *dialogue.UnknownModelError
	if errors.As(err, &unknown) {
		return web.NotFound("model_not_found", "model", "model "+strconv.Quote(model)+" not found; there are: "+list(unknown.Have))
	}
	a.model, a.engine = name, e
	return err
}

func list(names []string) string {
	b := []byte{}
	for i, n := range names {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, n...)
	}
	return string(b)
}
