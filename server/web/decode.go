package web

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-json"
	"github.com/valyala/fasthttp"
)

func decode(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

// maxDepth is how deep a body may nest. Schemas of tools go to a few dozen.
const maxDepth = 256

// Decode reads a JSON body into v, a pointer to a struct of owned values.
// Unknown fields are ignored; a wrong type is a 400 that names the field.
func Decode(ctx *fasthttp.RequestCtx, v any) *Error {
	if enc := ctx.Request.Header.ContentEncoding(); len(enc) > 0 && !bytes.EqualFold(enc, []byte("identity")) {
		return &Error{Status: 415, Type: "invalid_request_error", Code: "unsupported_encoding", Msg: "bodies with a Content-Encoding are not accepted: send plain JSON"}
	}
	return DecodeBytes(ctx.PostBody(), v)
}

// DecodeBytes is Decode for bytes.
func DecodeBytes(body []byte, v any) *Error {
	if len(bytes.TrimSpace(body)) == 0 {
		return Bad("", "the body is empty: want a JSON object")
	}
	if depth(body) > maxDepth {
		return Bad("", "the body nests deeper than %d levels", maxDepth)
	}
	if !utf8.Valid(body) {
		return Bad("", "the body is not valid UTF-8")
	}
	// The fast decoder reads what is right; what is wrong is read again by the
	// standard one, whose errors name the field.
	if bytes.TrimSpace(body)[0] == '{' && stdjson.Valid(body) && json.Unmarshal(body, v) == nil {
		return nil
	}
	err := stdjson.Unmarshal(body, v)
	var wrong *stdjson.UnmarshalTypeError
	var own *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own
	case errors.As(err, &wrong) && wrong.Field == "":
		return Bad("", "the body is a JSON %s: want an object", wrong.Value)
	case errors.As(err, &wrong):
		return Bad(wrong.Field, "%s: a JSON %s is not accepted here, want %s", wrong.Field, wrong.Value, kindName(wrong.Type.String()))
	}
	return Bad("", "the body is not valid JSON: %s", err)
}

// depth returns how deep brackets nest outside strings.
func depth(body []byte) int {
	level, deepest, inString := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}

// kindName says a Go type in JSON's words.
func kindName(t string) string {
	t = strings.TrimLeft(t, "*")
	switch {
	case t == "string":
		return "a string"
	case t == "bool":
		return "true or false"
	case strings.HasPrefix(t, "int"), strings.HasPrefix(t, "uint"):
		return "a whole number"
	case strings.HasPrefix(t, "float"):
		return "a number"
	case strings.HasPrefix(t, "[]"):
		return "an array"
	}
	return "an object"
}
