package inference

import (
	"context"
	"io"
	"sync"
)

// Stream hands a generation to its reader. The scheduler appends and never
// waits; a slow reader finds more text at once. It holds at most the whole
// answer, which MaxTokens and the context bound.
type Stream struct {
	mu     sync.Mutex
	text   []byte
	tokens []TokenInfo
	done   bool
	err    error
	result Result

	ready  chan struct{} // capacity 1: something new
	cancel context.CancelFunc
}

func newStream(cancel context.CancelFunc) *Stream {
	return &Stream{ready: make(chan struct{}, 1), cancel: cancel}
}

// Next waits for text and returns all there is since the last call; io.EOF
// after the end, another error when the generation failed or ctx ended. One
// goroutine at a time may call it.
func (s *Stream) Next(ctx context.Context) (Chunk, error) {
	for {
		s.mu.Lock()
		if len(s.text) > 0 || len(s.tokens) > 0 {
			c := Chunk{Text: string(s.text), Tokens: s.tokens}
			s.text, s.tokens = s.text[:0], nil
			s.mu.Unlock()
			return c, nil
		}
		done, err := s.done, s.err
		s.mu.Unlock()
		if done {
			if err == nil {
				err = io.EOF
			}
			return Chunk{}, err
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return Chunk{}, ctx.Err()
		}
	}
}

// Result says how the generation ended. It is complete after Next returned
// io.EOF; before, it is zero.
func (s *Stream) Result() Result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result
}

// Close cancels a generation that still runs. It may be called repeatedly and
// by any goroutine.
func (s *Stream) Close() { s.cancel() }

// put appends what the scheduler made.
func (s *Stream) put(text []byte, info *TokenInfo) {
	s.mu.Lock()
	s.text = append(s.text, text...)
	if info != nil {
		s.tokens = append(s.tokens, *info)
	}
	s.mu.Unlock()
	s.signal()
}

// finish ends the stream.
func (s *Stream) finish(r Result, err error) {
	s.mu.Lock()
	s.done, s.result, s.err = true, r, err
	s.mu.Unlock()
	s.signal()
	s.cancel()
}

func (s *Stream) signal() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}
