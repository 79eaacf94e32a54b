package tts

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"repartee/tts/audio"
	"repartee/tts/text"
	"repartee/tts/voice"
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
		if p := s.join(ctx, key); p != nil {
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
func (s *Service) join(ctx context.Context, key string) *Speech {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	t, ready := s.shelf.find(key)
	if t == nil {
		return nil
	}
	p := &Speech{t: t, hit: ready}
	if !t.join(p) {
		return nil
	}
	p.stop = context.AfterFunc(ctx, func() { p.t.leave(p) })
	return p
}

// begin admits a job. Both results are nil when another request for the same
// speech came first.
func (s *Service) begin(ctx context.Context, j *job, key string) (*Speech, error) {
	info := SpeechInfo{Voice: j.o.r.name, Format: j.o.Format, ContentType: j.o.format.ContentType, SampleRate: j.o.rate}
	if j.o.Format == FormatPCM {
		info.ContentType = fmt.Sprintf("audio/pcm;rate=%d", j.o.rate)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.shelf.running[key]; t != nil {
		p := &Speech{t: t}
		if t.join(p) {
			p.stop = context.AfterFunc(ctx, func() { p.t.leave(p) })
			return p, nil
		}
	}
	if err := s.admitLocked(); err != nil {
		return nil, err
	}
	t := newTake(info, key, s.shelf.keep())
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
	defer func() { j.texting += time.Since(t0) }()
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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := j.enc.start(ctx, cancel, j); err != nil {
		return err
	}
	defer j.enc.stop()
	sp := newSpeaker(j.s, j.o, &j.turn)
	if j.o.r.info.Timed {
		sp.captions = &captioner{}
	}
	for {
		ok, err := j.fill(ctx)
		if err != nil {
			return cause(ctx, err)
		}
		if !ok {
			break
		}
		l := j.lines[0]
		j.lines = j.lines[1:]
		last := false
		if len(j.lines) == 0 {
			more, err := j.fill(ctx)
			if err != nil {
				return cause(ctx, err)
			}
			last = !more
		}
		j.clauses++
		if err := sp.speak(ctx, l, last, j.enc.put); err != nil {
			return cause(ctx, err)
		}
		var said Captions
		if sp.captions != nil {
			said = sp.captions.take()
		}
		j.t.caption(said, len(l.text))
	}
	return cause(ctx, j.enc.finish(ctx))
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

// speaker turns lines into samples of even loudness with breathing room.
type speaker struct {
	s    *Service
	o    *order
	turn *turn
	trim *audio.Trimmer
	gain float32
	rate int // of the voice

	at       int        // samples put so far
	captions *captioner // nil = nobody asks
}

func newSpeaker(s *Service, o *order, t *turn) *speaker {
	p := &speaker{s: s, o: o, turn: t, gain: o.r.gain, rate: o.r.info.SampleRate}
	scale := 1 / max(o.Speed, 0.5)
	if o.Pause == PauseNone {
		p.trim = audio.NewTrimmer(p.rate, 5, 10, 60)
	} else {
		p.trim = audio.NewTrimmer(p.rate, 20, 60, int(450*scale))
	}
	return p
}

// speak says one line; put gets its samples at the voice's own rate.
func (p *speaker) speak(ctx context.Context, l line, last bool, put func(context.Context, []float32) error) error {
	send := func(s []float32) error {
		p.at += len(s)
		return put(ctx, s)
	}
	if l.units == "" {
		return send(make([]float32, p.pause(l, last)))
	}
	base := p.at
	p.s.working(true)
	defer p.s.working(false)
	u := voice.Utterance{Units: l.units, Speed: p.o.Speed, Seed: p.o.Seed, Speaker: p.o.speaker, Stream: !p.o.Whole}
	if l.rate > 0 {
		u.Speed = min(max(u.Speed*l.rate, 0.25), 4)
	}
	gate := func(ctx context.Context, f func() error) error {
		return p.s.gate.run(ctx, p.turn, func() error { return p.s.onCard(ctx, p.o.r, base, f) })
	}
	marks, err := p.o.r.voice.Speak(ctx, u, gate, func(s []float32) error {
		for i, x := range s {
			s[i] = audio.Soft(x * p.gain)
		}
		return send(p.trim.Write(nil, s))
	})
	if err != nil {
		return err
	}
	rest := p.trim.End(nil, p.pause(l, last))
	if p.captions != nil {
		p.captions.line(l, marks, base, p.rate, p.trim)
	}
	return send(rest)
}

// pause is the silence behind a line, in samples: what the text asks for, else
// what is natural there.
func (p *speaker) pause(l line, last bool) int {
	d := l.pause.Seconds() / min(max(p.o.Speed, 0.5), 2)
	if p.o.Pause == PauseNone || last {
		d = 0
	}
	if p.o.Pause == PauseNone && last {
		d = 0.04 // an mp3 stream may lose this much at its end
	}
	if l.wait > 0 {
		d = l.wait.Seconds()
	}
	return int(d * float64(p.rate))
}
