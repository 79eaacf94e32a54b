package openai

import (
	"strconv"

	"repartee/server/web"
)

// Models answers GET /v1/models.
func (d *Dialect) Models(r *web.Request) {
	b := []byte(`{"object":"list","data":[`)
	for i, name := range d.Dialogue.Models().Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = d.model(b, name)
	}
	r.JSON(append(b, "]}"...))
}

// Model answers GET /v1/models/{id}.
func (d *Dialect) Model(r *web.Request, id string) {
	if id == "" {
		r.Fail(web.Bad("model", "model: want an id behind /v1/models/"))
		return
	}
	_, name, err := d.Dialogue.Engine(id, "")
	if err != nil {
		r.Fail(err)
		return
	}
	r.JSON(d.model(nil, name))
}

func (d *Dialect) model(b []byte, name string) []byte {
	b = web.AppendString(append(b, `{"id":`...), name)
	b = strconv.AppendInt(append(b, `,"object":"model","created":`...), d.Created.Unix(), 10)
	b = append(b, `,"owned_by":"repartee"`...)
	if e, _, err := d.Dialogue.Engine(name, ""); err == nil {
		b = strconv.AppendInt(append(b, `,"context_length":`...), int64(e.ContextSize()), 10)
	}
	return append(b, '}')
}
