package web

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"repartee/dialogue"
	"repartee/inference"
	"repartee/inference/llama"
	"repartee/tts"
)

// Error is a failure as HTTP tells it.
type Error struct {
	Status     int
	Type       string // invalid_request_error, authentication_error, …
	Code       string // machine-readable, may be empty
	Param      string // the field that is wrong, may be empty
	Msg        string
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Msg }

// Bad is a 400 about a field.
func Bad(param, format string, args ...any) *Error {
	return &Error{Status: 400, Type: "invalid_request_error", Param: param, Msg: fmt.Sprintf(format, args...)}
}

// NotFound is a 404.
func NotFound(code, param, msg string) *Error {
	return &Error{Status: 404, Type: "invalid_request_error", Code: code, Param: param, Msg: msg}
}

// StatusClosed is what the log says when the client left before the answer.
const StatusClosed = 499

// From maps any error of the rooms behind to HTTP.
func From(err error) *Error {
	var (
		own     *Error
		field   *dialogue.FieldError
		model   *dialogue.UnknownModelError
		session *dialogue.UnknownSessionError
		long    *inference.PromptTooLongError
		full    *inference.QueueFullError
		late    *inference.DeadlineError
		text    *tts.FieldError
		voice   *tts.ErrUnknownVoice
		busy    *tts.ErrQueueFull
	)
	unavailable := func(msg string) *Error {
		return &Error{Status: 503, Type: "server_error", Code: "unavailable", Msg: msg, RetryAfter: time.Second}
	}
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &field):
		return Bad(field.Field, "%s: %s", field.Field, field.Msg)
	case errors.As(err, &model):
		return NotFound("model_not_found", "model", model.Error())
	case errors.As(err, &session):
		return NotFound("session_not_found", "session", session.Error())
	case errors.As(err, &long):
		return &Error{Status: 400, Type: "invalid_request_error", Code: "context_length_exceeded", Param: "messages", Msg: fmt.Sprintf("the prompt has %d tokens, this model's context holds %d and one must be left for the answer", long.Prompt, long.Context)}
	case errors.As(err, &full):
		return &Error{Status: 429, Type: "rate_limit_error", Code: "rate_limit_exceeded", Msg: fmt.Sprintf("%d requests wait already", full.Waiting), RetryAfter: full.RetryAfter}
	case errors.As(err, &late):
		return &Error{Status: 429, Type: "rate_limit_error", Code: "deadline", Param: "timeout", Msg: late.Error(), RetryAfter: late.Estimate}
	case errors.As(err, &text):
		return Bad(text.Field, "%s: %s", text.Field, text.Msg)
	case errors.As(err, &voice):
		return NotFound("voice_not_found", "voice", voice.Error())
	case errors.As(err, &busy):
		return &Error{Status: 429, Type: "rate_limit_error", Code: "rate_limit_exceeded", Msg: busy.Error(), RetryAfter: busy.RetryAfter}
	case errors.Is(err, llama.ErrUnsupported):
		return Bad("model", "%s", err.Error())
	case errors.Is(err, llama.ErrArgument), errors.Is(err, llama.ErrGrammar), errors.Is(err, llama.ErrSchema), errors.Is(err, inference.ErrEmptyPrompt):
		return Bad("", "%s", err.Error())
	case errors.Is(err, inference.ErrClosed), errors.Is(err, tts.ErrClosed), errors.Is(err, ErrStopped):
		return unavailable("the server is shutting down")
	case errors.Is(err, context.Canceled), errors.Is(err, ErrLeft):
		return &Error{Status: StatusClosed, Type: "client_closed", Msg: "the client closed the connection"}
	}
	return &Error{Status: 500, Type: "server_error", Code: "internal_error", Msg: err.Error()}
}

// AppendJSON writes the error object of the OpenAI API.
func (e *Error) AppendJSON(b []byte) []byte {
	b = append(b, `{"error":{"message":`...)
	b = AppendString(b, e.Msg)
	b = append(b, `,"type":`...)
	b = AppendString(b, e.Type)
	b = append(b, `,"code":`...)
	b = appendOrNull(b, e.Code)
	b = append(b, `,"param":`...)
	b = appendOrNull(b, e.Param)
	return append(b, "}}"...)
}

func appendOrNull(b []byte, s string) []byte {
	if s == "" {
		return append(b, "null"...)
	}
	return AppendString(b, s)
}

// AppendString writes s as a JSON string. s is valid UTF-8 wherever it comes
// from the engine; other bytes become U+FFFD.
func AppendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < 0x80 {
			continue
		}
		if c >= 0x80 {
			r, n := utf8.DecodeRuneInString(s[i:])
			if n > 1 {
				i += n - 1
				continue
			}
			b = append(b, s[from:i]...)
			b = append(b, string(r)...)
			from = i + 1
			continue
		}
		b = append(b, s[from:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		from = i + 1
	}
	return append(append(b, s[from:]...), '"')
}
