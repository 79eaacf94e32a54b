package tts

import (
	"context"
	"errors"
)

// Service keeps voices resident and speaks with them. All methods may be
// called from any goroutine.
type Service struct{}

// New loads and warms every voice of cfg. It is slow (a second or so a voice).
func New(cfg Config) (*Service, error) { return nil, errors.New("tts: not built yet") }

// Close cancels what is running, waits for it, and releases the voices.
// It may be called twice.
func (s *Service) Close() {}

// Voices lists the resident voices, default first.
func (s *Service) Voices() []Voice { return nil }

// Default is the name of the default voice.
func (s *Service) Default() string { return "" }

// Say validates and admits r. Errors: *FieldError, *ErrUnknownVoice,
// *ErrQueueFull, ErrClosed, ctx's error. The end of ctx cancels the speech.
func (s *Service) Say(ctx context.Context, r Request) (*Speech, error) { return nil, ErrClosed }

// Narrate starts a narrator that speaks text while it is still being written.
// Text and Format of r are ignored: the result is 16-bit PCM. Errors as Say.
func (s *Service) Narrate(ctx context.Context, r Request) (*Narrator, error) { return nil, ErrClosed }
