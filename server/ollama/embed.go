package ollama

import (
	"encoding/json"
	"strconv"
	"time"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/server/openai"
	"repartee/server/web"
)

// embedBody is the wire type of POST /api/embed.
type embedBody struct {
	Model      string          `json:"model"`
	Input      openai.Strings  `json:"input"`
	Truncate   *bool           `json:"truncate"` // the default is true
	Dimensions int             `json:"dimensions"`
	Options    *options        `json:"options"`
	KeepAlive  json.RawMessage `json:"keep_alive"` // of any type
}

// Embed answers POST /api/embed. No input means "load".
func (d *Dialect) Embed(r *web.Request) {
	var body embedBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	req := dialogue.Embedding{Model: body.Model, Dimensions: body.Dimensions, Truncate: body.Truncate == nil || *body.Truncate}
	for _, s := range body.Input {
		req.Inputs = append(req.Inputs, dialogue.Input{Text: s})
	}
	out, ok := d.embed(r, req)
	if !ok {
		return
	}
	b := web.AppendString([]byte(`{"model":`), body.Model)
	b = append(b, `,"embeddings":[`...)
	tokens := 0
	for i, v := range out.Vectors {
		if i > 0 {
			b = append(b, ',')
		}
		b = web.AppendFloats(b, v)
		tokens += out.Tokens[i]
	}
	b = strconv.AppendInt(append(b, `],"total_duration":`...), time.Since(r.Began).Nanoseconds(), 10)
	b = strconv.AppendInt(append(b, `,"load_duration":0,"prompt_eval_count":`...), int64(tokens), 10)
	r.JSON(append(b, '}'))
}

// embeddingBody is the wire type of POST /api/embeddings, the older form with
// one text.
type embeddingBody struct {
	Model     string          `json:"model"`
	Prompt    string          `json:"prompt"`
	Options   *options        `json:"options"`
	KeepAlive json.RawMessage `json:"keep_alive"`
}

// Embedding answers POST /api/embeddings. No prompt means "load".
func (d *Dialect) Embedding(r *web.Request) {
	var body embeddingBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	req := dialogue.Embedding{Model: body.Model, Truncate: true}
	if body.Prompt != "" {
		req.Inputs = []dialogue.Input{{Text: body.Prompt}}
	}
	out, ok := d.embed(r, req)
	if !ok {
		return
	}
	var v []float32
	if len(out.Vectors) > 0 {
		v = out.Vectors[0]
	}
	r.JSON(append(web.AppendFloats([]byte(`{"embedding":`), v), '}'))
}

// embed computes the vectors, none for no input; false when it has answered with
// an error.
func (d *Dialect) embed(r *web.Request, req dialogue.Embedding) (inference.Embeddings, bool) {
	if err := d.check(req.Model, &answer{}); err != nil {
		r.Fail(err)
		return inference.Embeddings{}, false
	}
	if len(req.Inputs) == 0 {
		return inference.Embeddings{}, true
	}
	ctx, cancel := r.Context()
	defer cancel(nil)
	out, _, err := d.Dialogue.Embed(ctx, req)
	if err != nil {
		r.Fail(web.Ended(ctx, err))
		return out, false
	}
	return out, true
}
