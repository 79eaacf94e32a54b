package tts

import (
	"context"
	"io"
)

// Speech is a running (or cached) synthesis. One goroutine reads it.
type Speech struct{}

// Info is known at once.
func (p *Speech) Info() SpeechInfo { return SpeechInfo{} }

// Next returns encoded bytes as they are made, valid until the following
// Next; io.EOF after the last. The end of ctx ends the wait, not the speech.
func (p *Speech) Next(ctx context.Context) ([]byte, error) { return nil, io.EOF }

// Timings so far; final after io.EOF.
func (p *Speech) Timings() Timings { return Timings{} }

// Close cancels what is still running and releases the speech. Idempotent.
func (p *Speech) Close() {}
