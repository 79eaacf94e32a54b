package inference

import (
	"errors"
	"fmt"
	"time"
)

// Errors of Submit.
var (
	// ErrClosed means that the engine is shutting down.
	ErrClosed = errors.New("inference: engine is closed")
	// ErrEmptyPrompt means that a request had no token to start from.
	ErrEmptyPrompt = errors.New("inference: the prompt is empty")
)

// QueueFullError means that MaxQueue requests wait already.
type QueueFullError struct {
	Waiting    int
	RetryAfter time.Duration // when a place is likely to be free
}

func (e *QueueFullError) Error() string {
	return fmt.Sprintf("inference: %d requests wait already, try again in %s", e.Waiting, e.RetryAfter.Round(time.Second))
}

// PromptTooLongError means that a prompt leaves no room for an answer.
type PromptTooLongError struct{ Prompt, Context int }

func (e *PromptTooLongError) Error() string {
	return fmt.Sprintf("inference: the prompt has %d tokens, the context holds %d and one must be left for the answer", e.Prompt, e.Context)
}

// DeadlineError means that a request could not have been answered in time.
type DeadlineError struct{ Estimate time.Duration }

func (e *DeadlineError) Error() string {
	return fmt.Sprintf("inference: the first token is expected in %s, later than the deadline", e.Estimate.Round(time.Millisecond))
}
