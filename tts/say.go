package tts

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"repartee/tts/text"
)

// Say validates and admits r. Errors: *FieldError, *ErrUnknownVoice,
// *ErrQueueFull, ErrClosed, ctx's error. The end of ctx cancels the speech.
func (s *Service) Say(ctx context.Context, r Request) (*Speech, error) {
	started := time.Now()
	o, err := s.check(r)
	if err != nil {
		return nil, err
	}
	if !text.Speakable(o.Text) {
		return nil, errSilent
	}
	key := o.key()
	for {
		if p := s.join(ctx, o, key); p != nil {
			return p, nil
		}
		if p := s.fromDisk(ctx, o, key); p != nil {
			return p, nil
		}
		j := &job{s: s, o: o, started: started}
		if err := j.open(ctx); err != nil {
			return nil, err
		}
		p, err := s.begin(ctx, j, key)
		if p != nil || err != nil {
			return p, err
		}
	}
}

var errSilent = &FieldError{"text", "there is nothing to speak in it; send words"}

// join follows a take that is there already; nil when there is none.
func (s *Service) join(ctx context.Context, o *order, key string) *Speech {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	t, ready := s.shelf.find(key)
	if t == nil {
		return nil
	}
	return t.follow(ctx, o, ready)
}

// fromDisk follows a take that an earlier process, or this one, has left in a
// file; nil when there is none.
func (s *Service) fromDisk(ctx context.Context, o *order, key string) *Speech {
	if s.disk == nil {
		return nil
	}
	found, ok := s.disk.get(o.diskKey(key))
	if !ok || o.Timestamps && len(found.notes.Captions.Clauses) == 0 {
		return nil
	}
	t := restored(o.describe(), key, found)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.shelf.put(t)
	return t.follow(ctx, o, true)
}

// follow gives a take one more reader; nil when it is too late for that.
func (t *take) follow(ctx context.Context, o *order, hit bool) *Speech {
	p := &Speech{t: t, hit: hit}
	if !t.join(p, o.Timestamps) {
		return nil
	}
	p.stop = context.AfterFunc(ctx, func() { p.t.leave(p) })
	return p
}

// begin admits a job. Both results are nil when another request for the same
// speech came first.
func (s *Service) begin(ctx context.Context, j *job, key string) (*Speech, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.shelf.running[key]; t != nil {
		if p := t.follow(ctx, j.o, false); p != nil {
			return p, nil
		}
	}
	if err := s.admitLocked(); err != nil {
		return nil, err
	}
	keep := max(s.shelf.keep(), s.disk.most())
	if j.o.Checkpoints {
		keep = 0 // they are for one reader
	}
	t := newTake(j.o.describe(), key, keep)
	t.timed = j.o.Timestamps
	run, cancel := context.WithCancel(s.ctx)
	t.cancel = cancel
	t.onIdle = cancel
	p := &Speech{t: t}
	t.readers[p] = struct{}{}
	j.t = t
	if !t.private {
		s.shelf.running[key] = t
	}
	p.stop = context.AfterFunc(ctx, func() { p.t.leave(p) })
	go func() {
		defer s.release()
		defer cancel()
		err := j.run(run)
		if err != nil && s.ctx.Err() != nil {
			err = ErrClosed
		}
		s.mu.Lock()
		t.finish(err, j.final())
		s.shelf.ended(t)
		s.mu.Unlock()
		if s.disk != nil {
			s.disk.keep(t, j.o.diskKey(key))
		}
	}()
	return p, nil
}

// job makes one take.
type job struct {
	s       *Service
	o       *order
	t       *take
	started time.Time

	source  source
	lines   []line // phonemised, not yet spoken
	turn    turn
	texting time.Duration
	enc     encoding
	clauses int
	since   Captions // of a speech with checkpoints, since the last one
}

// open reads the text up to the first line that has something to say.
func (j *job) open(ctx context.Context) error {
	j.turn.batch = j.o.Batch
	if err := j.source.open(j.o); err != nil {
		return err
	}
	ok, err := j.fill(ctx)
	if err == nil && !ok {
		err = errSilent
	}
	return err
}

// fill makes sure that there is a next line; false at the end of the text.
func (j *job) fill(ctx context.Context) (bool, error) {
	t0 := time.Now()
	defer func() {
		if !j.s.gate.runs(&j.turn) { // else it took no time of its own
			j.texting += time.Since(t0)
		}
	}()
	for len(j.lines) == 0 {
		lines, ok, err := j.source.next(ctx, j.s.ph)
		if err != nil || !ok {
			return false, err
		}
		j.lines = lines
	}
	return true, nil
}

// run speaks line by line. A panic ends this job only.
func (j *job) run(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			j.s.log.Error("speech failed", "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("tts: internal error: %v", r)
		}
	}()
	sp := newSpeaker(j.s, j.o, &j.turn)
	defer sp.wg.Wait()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := j.enc.start(ctx, cancel, j); err != nil {
		return err
	}
	defer j.enc.stop()
	if j.o.r.info.Timed {
		sp.captions = &captioner{}
	}
	j.t.caption(Captions{}, j.source.skipped)
	var ahead []*inference // begun, in the order of the text
	more := true
	for {
		// As many lines are inferred at once as the voice has use for.
		for more && len(ahead) < sp.most+2 && (len(ahead) == 0 || sp.running.Load() < int32(sp.most)) {
			var l line
			var last bool
			if l, last, more, err = j.line(ctx); err != nil {
				return cause(ctx, err)
			}
			if more {
				i := sp.begin(ctx, l, last)
				i.ends = last || j.lines[0].piece != l.piece
				ahead = append(ahead, i)
			}
		}
		if len(ahead) == 0 {
			break
		}
		i := ahead[0]
		done, err := sp.follow(ctx, i, j.enc.put)
		if err != nil {
			return cause(ctx, err)
		}
		if !done {
			continue
		}
		ahead = ahead[1:]
		var said Captions
		if sp.captions != nil {
			said = sp.captions.take()
		}
		if j.o.Checkpoints {
			j.since.append(said)
			if i.ends {
				j.t.checkpoint(Checkpoint{Pieces: i.l.piece, Samples: int64(sp.at), Captions: j.since, Final: i.last})
				j.since = Captions{}
			}
			said = Captions{} // a book's are not kept
		}
		j.t.caption(said, len(i.l.text))
	}
	return cause(ctx, j.enc.finish(ctx))
}

// line gives the next line and whether it is the last; false at the end.
func (j *job) line(ctx context.Context) (l line, last, ok bool, err error) {
	if ok, err = j.fill(ctx); err != nil || !ok {
		return l, false, false, err
	}
	l, j.lines = j.lines[0], j.lines[1:]
	if len(j.lines) == 0 {
		more, err := j.fill(ctx)
		if err != nil {
			return l, false, false, err
		}
		last = !more
	}
	j.clauses++
	return l, last, true, nil
}

// cause prefers the reason why ctx ended to what that made others say.
func cause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// timings so far, for the encoder's goroutine.
func (j *job) final() Timings {
	t := j.enc.timings()
	t.Text, t.Clauses = j.texting, j.clauses
	return t
}
