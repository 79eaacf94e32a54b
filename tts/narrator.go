package tts

import (
	"context"
	"io"
)

// Narrator speaks a text that arrives in pieces. Write and Flush may be called
// by one goroutine while another calls Next; Cancel by any.
type Narrator struct{}

// Write appends text. It never waits for speech; the text not yet spoken is
// bounded by Config.MaxText.
func (n *Narrator) Write(text string) error { return nil }

// Flush says that no more text comes: what is held back is spoken.
func (n *Narrator) Flush() error { return nil }

// Next waits for the next piece of speech; io.EOF after the last one of a
// flushed text.
func (n *Narrator) Next(ctx context.Context) (Clause, error) { return Clause{}, io.EOF }

// Cancel stops inference and drops what is queued. Idempotent; it must be
// called when Next has not returned io.EOF.
func (n *Narrator) Cancel() {}
