package openai

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"repartee/dialogue"
	"repartee/server/web"
)

// embeddingBody is the wire type of POST /v1/embeddings.
type embeddingBody struct {
	Model      string  `json:"model"`
	Input      Prompts `json:"input"`
	Dimensions int     `json:"dimensions"` // 0 = all
	Encoding   string  `json:"encoding_format"`
	User       string  `json:"user"`
}

// Embeddings answers POST /v1/embeddings.
func (d *Dialect) Embeddings(r *web.Request) {
	var body embeddingBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	switch body.Encoding {
	case "", "float", "base64":
	default:
		r.Fail(web.Bad("encoding_format", `encoding_format: %q is neither "float" nor "base64"`, body.Encoding))
		return
	}
	req := dialogue.Embedding{Model: body.Model, Dimensions: body.Dimensions}
	for _, p := range body.Input {
		req.Inputs = append(req.Inputs, dialogue.Input(p))
	}
	ctx, cancel := r.Context()
	defer cancel(nil)
	out, name, err := d.Dialogue.Embed(ctx, req)
	if err != nil {
		r.Fail(web.Ended(ctx, err))
		return
	}
	b := []byte(`{"object":"list","data":[`)
	tokens := 0
	for i, v := range out.Vectors {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"object":"embedding","index":`...), int64(i), 10)
		b = append(b, `,"embedding":`...)
		if body.Encoding == "base64" {
			b = appendBase64(b, v)
		} else {
			b = web.AppendFloats(b, v)
		}
		b = append(b, '}')
		tokens += out.Tokens[i]
	}
	b = web.AppendString(append(b, `],"model":`...), name)
	b = strconv.AppendInt(append(b, `,"usage":{"prompt_tokens":`...), int64(tokens), 10)
	b = strconv.AppendInt(append(b, `,"total_tokens":`...), int64(tokens), 10)
	r.JSON(append(b, "}}"...))
}

// appendBase64 writes the numbers as little-endian float32 in base64, which is
// what the official libraries ask for and decode.
func appendBase64(b []byte, v []float32) []byte {
	raw := make([]byte, 0, 4*len(v))
	for _, x := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
	}
	b = base64.StdEncoding.AppendEncode(append(b, '"'), raw)
	return append(b, '"')
}
