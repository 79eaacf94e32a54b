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
	n := &Narrator{s: s, o: o, out: make(chan Clause), changed: make(chan struct{}, 1)}
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
	sp.live = true
	defer sp.wg.Wait()
	lines, room, read := n.ahead(sp)
	defer func() {
		n.cancel()
		<-read.done
	}()
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
	for l := range lines {
		for done := false; !done; {
			done, err = sp.follow(n.ctx, l.i, func(_ context.Context, s []float32) error { return send(l.name, s, false) })
			if err != nil {
				return err
			}
		}
		if err := send(l.name, nil, l.i.ends); err != nil {
			return err
		}
		<-room
	}
	if <-read.done; read.err != nil {
		return read.err
	}
	if resamp != nil {
		if rest := resamp.Finish(nil); len(rest) > 0 {
			return send("", rest, true)
		}
	}
	return nil
}

// narrated is a line on its way with the piece of text that it is of.
type narrated struct {
	i    *inference
	name string
}

// linesAhead is how many lines are inferred beside the one that is being sent:
// enough that no listener waits between two clauses, and little to throw away when
// a conversation is interrupted.
const linesAhead = 1

// ahead reads what is written and begins to infer line by line. Each takes a place
// out of room, which is given back when the line has been sent.
func (n *Narrator) ahead(sp *speaker) (lines chan narrated, room chan struct{}, e *errand) {
	lines, room = make(chan narrated), make(chan struct{}, 1+linesAhead)
	e = aside(func() error {
		defer close(lines)
		rd := reading{lexicon: n.o.lexicon, espeak: n.o.r.info.Accent(n.o.speaker)}
		for {
			p, ok, err := n.piece()
			if err != nil || !ok {
				return err
			}
			of, err := n.o.r.lines(n.ctx, n.s.ph, &rd, p)
			if err != nil {
				return err
			}
			for k, l := range of {
				select {
				case room <- struct{}{}:
				case <-n.ctx.Done():
					return n.ctx.Err()
				}
				i := sp.begin(n.ctx, l, false)
				i.ends = k == len(of)-1
				select {
				case lines <- narrated{i, p.Text}:
				case <-n.ctx.Done():
					return n.ctx.Err()
				}
			}
		}
	})
	return lines, room, e
}

// errand is work in a goroutine of its own; err is valid when done is closed.
type errand struct {
	done chan struct{}
	err  error
}

// aside runs f; a panic in it is its error.
func aside(f func() error) *errand {
	e := &errand{done: make(chan struct{})}
	go func() {
		defer close(e.done)
		defer func() {
			if r := recover(); r != nil {
				e.err = fmt.Errorf("tts: internal error: %v\n%s", r, debug.Stack())
			}
		}()
		e.err = f()
	}()
	return e
}
