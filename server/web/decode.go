package web

import (
	"bytes"
	"reflect"
	"unicode/utf8"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

// Decode reads a JSON body into v, a pointer to a struct of owned values.
// Unknown fields are ignored, null leaves a field as it is; a wrong type is a
// 400 that names the field. The body's Content-Type does not matter.
func Decode(ctx *fasthttp.RequestCtx, v any) *Error {
	if enc := ctx.Request.Header.ContentEncoding(); len(enc) > 0 && !bytes.EqualFold(enc, []byte("identity")) {
		return &Error{Status: 415, Type: "invalid_request_error", Code: "unsupported_encoding", Msg: "bodies with a Content-Encoding are not accepted: send plain JSON"}
	}
	return DecodeBytes(ctx.PostBody(), v)
}

// DecodeBytes is Decode for bytes. Nothing in v points into body afterwards.
func DecodeBytes(body []byte, v any) *Error {
	at := skipSpace(body, 0)
	if at == len(body) {
		return Bad("", "the body is empty: want a JSON object")
	}
	if !utf8.Valid(body) {
		return Bad("", "the body is not valid UTF-8")
	}
	if err := scan(body); err != nil {
		return Bad("", "the body is not valid JSON: %s", err)
	}
	if body[at] != '{' {
		return Bad("", "the body is %s: want a JSON object", article(kindOf(body[at:])))
	}
	if json.Unmarshal(body, v) == nil {
		return nil
	}
	// Which field it was is found out on a second, slower reading.
	if err := locate(body, reflect.TypeOf(v).Elem(), ""); err != nil {
		return err
	}
	return Bad("", "the body cannot be read")
}
