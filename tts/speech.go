package tts

import (
	"context"
	"sync"
)

// Speech is a running (or cached) synthesis. One goroutine reads it.
type Speech struct {
	t    *take
	hit  bool
	next int // index of the chunk to read next, under t.mu
	once sync.Once
	stop func() bool // ends the watch over the request's context
}

// Info is known at once.
func (p *Speech) Info() SpeechInfo {
	i := p.t.info
	i.CacheHit = p.hit
	return i
}

// Next returns encoded bytes as they are made, valid until the following
// Next; they must not be changed. io.EOF after the last. The end of ctx ends
// the wait, not the speech.
func (p *Speech) Next(ctx context.Context) ([]byte, error) {
	return p.t.read(ctx, p)
}

// Timings so far; final after io.EOF. Of a speech out of the cache only Audio
// and Clauses are set.
func (p *Speech) Timings() Timings {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	if p.hit {
		return Timings{Audio: p.t.times.Audio, Clauses: p.t.times.Clauses}
	}
	return p.t.times
}

// Spoken is about how many bytes of the text have been spoken so far: markup and
// the space between its parts are not counted.
func (p *Speech) Spoken() int {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.t.spoken
}

// Captions so far; complete after io.EOF, empty when the voice does not know them.
// They must not be changed.
func (p *Speech) Captions() Captions {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.t.said
}

// Checkpoints gives those since the last call, of a request that asked for them.
// One counts once the samples up to it have been read.
func (p *Speech) Checkpoints() []Checkpoint {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	c := p.t.points
	p.t.points = nil
	return c
}

// Close cancels what is still running and releases the speech. Idempotent; any
// goroutine may call it.
func (p *Speech) Close() {
	p.once.Do(func() {
		if p.stop != nil {
			p.stop()
		}
		p.t.leave(p)
	})
}
