package tts

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrClosed is returned by every call on a closed Service.
var ErrClosed = errors.New("tts: service is closed")

// FieldError says which field of a request is wrong and what would be right.
type FieldError struct {
	Field string // as on the wire: text, voice, format, speed, …
	Msg   string
}

func (e *FieldError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Msg) }

// ErrUnknownVoice is returned for a voice that is not resident.
type ErrUnknownVoice struct {
	Name string
	Have []string
}

func (e *ErrUnknownVoice) Error() string {
	return fmt.Sprintf("voice %q does not exist; there are: %s", e.Name, strings.Join(e.Have, ", "))
}

// ErrQueueFull is returned when as many speeches as allowed are already waiting.
type ErrQueueFull struct {
	RetryAfter time.Duration
}

func (e *ErrQueueFull) Error() string {
	return fmt.Sprintf("too many speech requests are waiting; retry after %s", e.RetryAfter)
}
