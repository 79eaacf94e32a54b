package tts

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"repartee/tts/audio"
	"repartee/tts/text"
)

// Narrator speaks a text that arrives in pieces. Write and Flush may be called
// by one goroutine while another calls Next; Cancel by any.
type Narrator struct {
	s      *Service
	o      *order
	ctx    context.Context
	cancel context.CancelFunc
	out    chan Clause // closed at the end
	err    error       // valid when out is closed

	mu      sync.Mutex
	split   text.Splitter
	flushed bool
	changed chan struct{}
	turn    turn
}

// Narrate starts a narrator that speaks text while it is still being written.
// Text and Format of r are ignored: the result is 16-bit PCM. Errors as Say.
func (s *Service) Narrate(ctx context.Context, r Request) (*Narrator, error) {
	r.Text, r.Format, r.Whole = "", FormatPCM, false
	o, err := s.check(r)
	if err != nil {
		return nil, err
	}
	if err := s.admit(); err != nil {
		return nil, err
	}
	n := &Narrator{s: s, o: o, out: make(chan Clause, 2), changed: make(chan struct{}, 1)}
	n.split.Eager = true
	n.turn.batch = r.Batch
	run, cancel := context.WithCancel(s.ctx)
	stop := context.AfterFunc(ctx, cancel)
	n.ctx, n.cancel = run, cancel
	go func() {
		defer s.release()
		defer stop()
		defer cancel()
		defer close(n.out)
		n.err = n.run()
	}()
	return n, nil
}

// Write appends text. It never waits for speech; the text not yet spoken is
// bounded by Config.MaxText.
func (n *Narrator) Write(t string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.flushed {
		return fmt.Errorf("tts: narrator: written to after it was flushed")
	}
	if n.split.Pending()+len(t) > n.s.cfg.MaxText {
		return &FieldError{"text", fmt.Sprintf("more than %d bytes are waiting to be spoken", n.s.cfg.MaxText)}
	}
	n.split.Write(text.Unreserve(t))
	n.wake()
	return nil
}

// Flush says that no more text comes: what is held back is spoken.
func (n *Narrator) Flush() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.flushed = true
	n.split.Flush()
	n.wake()
	return nil
}

func (n *Narrator) wake() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// Next waits for the next piece of speech; io.EOF after the last one of a
// flushed text.
func (n *Narrator) Next(ctx context.Context) (Clause, error) {
	select {
	case c, ok := <-n.out:
		if ok {
			return c, nil
		}
		if n.err != nil {
			return Clause{}, n.err
		}
		return Clause{}, io.EOF
	case <-ctx.Done():
		return Clause{}, ctx.Err()
	}
}

// Cancel stops inference and drops what is queued. Idempotent; it must be
// called when Next has not returned io.EOF.
func (n *Narrator) Cancel() { n.cancel() }

// piece waits for the next complete piece of text.
func (n *Narrator) piece() (p text.Piece, ok bool, err error) {
	for {
		n.mu.Lock()
		p, ok = n.split.Next()
		end := n.flushed
		n.mu.Unlock()
		if ok || end {
			return p, ok, nil
		}
		select {
		case <-n.changed:
		case <-n.ctx.Done():
			return p, false, n.ctx.Err()
		}
	}
}

func (n *Narrator) run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			n.s.log.Error("narrator failed", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("tts: internal error: %v", r)
		}
	}()
	sp := newSpeaker(n.s, n.o, &n.turn)
	defer sp.wg.Wait()
	defer n.cancel()
	rd := reading{lexicon: n.o.lexicon, espeak: n.o.r.info.Accent(n.o.speaker)}
	var resamp *audio.Resampler
	if sp.rate != n.o.rate {
		resamp = audio.NewResampler(sp.rate, n.o.rate)
	}
	var spoken time.Duration
	send := func(name string, s []float32, final bool) error {
		if resamp != nil {
			s = resamp.Write(nil, s)
		}
		if len(s) == 0 && !final {
			return nil
		}
		c := Clause{Text: name, PCM: audio.Int16(nil, s), SampleRate: n.o.rate, Final: final}
		spoken += time.Duration(len(s)) * time.Second / time.Duration(n.o.rate)
		c.Audio = spoken
		select {
		case n.out <- c:
			return nil
		case <-n.ctx.Done():
			return n.ctx.Err()
		}
	}
	for {
		p, ok, err := n.piece()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		lines, err := n.o.r.lines(n.ctx, n.s.ph, &rd, p)
		if err != nil {
			return err
		}
		for i, l := range lines {
			// The samples of a line are held back by one run, so that the last
			// one can be marked.
			var held []float32
			err := sp.speak(n.ctx, l, false, func(_ context.Context, s []float32) error {
				if len(s) == 0 {
					return nil
				}
				h := held
				held = s
				if h == nil {
					return nil
				}
				return send(p.Text, h, false)
			})
			if err == nil {
				err = send(p.Text, held, i == len(lines)-1)
			}
			if err != nil {
				return err
			}
		}
	}
	if resamp != nil {
		if rest := resamp.Finish(nil); len(rest) > 0 {
			return send("", rest, true)
		}
	}
	return nil
}
