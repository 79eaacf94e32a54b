package tts

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"repartee/tts/audio"
	"repartee/tts/voice"
)

// speaker turns lines into samples of even loudness with breathing room. Lines
// may be inferred side by side; what is made of them comes in order.
type speaker struct {
	s    *Service
	o    *order
	turn *turn
	trim *audio.Trimmer
	even *audio.Leveller
	gain float32 // 0 = not known yet
	rate int     // of the voice
	most int     // lines that are worth inferring at once
	live bool    // the text is still being written, so a listener may wait for any line

	begun   int           // lines
	running atomic.Int32  // inferences
	ended   chan struct{} // signalled when one has ended; never blocks
	wg      sync.WaitGroup

	at       int        // samples put so far
	captions *captioner // nil = nobody asks
}

func newSpeaker(s *Service, o *order, t *turn) *speaker {
	p := &speaker{s: s, o: o, turn: t, rate: o.r.info.SampleRate, most: max(o.r.info.Lines, 1), ended: make(chan struct{}, 1)}
	p.even = audio.NewLeveller(p.rate, wantedRMS)
	scale := 1 / max(o.Speed, 0.5)
	if o.Pause == PauseNone {
		p.trim = audio.NewTrimmer(p.rate, 5, 10, 60)
	} else {
		p.trim = audio.NewTrimmer(p.rate, 20, 60, int(450*scale))
	}
	return p
}

// inference is a line on its way.
type inference struct {
	l      line
	last   bool
	ends   bool // it is the last of its piece of the text
	base   int  // samples put before it
	heard  bool // base is set
	chunks chan []float32
	marks  []voice.Mark // these two are valid when chunks is closed
	err    error
}

// maxChunks is how much of a line may wait for the lines before it; inference
// waits beyond it. A line of a voice in windows has fewer.
const maxChunks = 64

// begin starts to infer a line. The end of ctx ends it; p.wg waits for it.
func (p *speaker) begin(ctx context.Context, l line, last bool) *inference {
	i := &inference{l: l, last: last, chunks: make(chan []float32, maxChunks)}
	number := p.begun
	p.begun++
	if l.units == "" {
		close(i.chunks)
		return i
	}
	u := voice.Utterance{Units: l.units, Speed: p.o.Speed, Seed: p.o.Seed, Speaker: p.o.speaker, Stream: p.live || !p.o.Whole && number == 0, Spread: last}
	u.Speed = min(max(u.Speed*l.manner.Rate, 0.25), 4)
	shape := newShape(p.o.r.info, p.rate, &u, l.manner.Pitch)
	gate := p.gate(number)
	p.running.Add(1)
	p.s.working(true)
	p.wg.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				p.s.log.Error("speech failed", "panic", r, "stack", string(debug.Stack()))
				i.err = fmt.Errorf("tts: internal error: %v", r)
			}
			p.s.working(false)
			p.running.Add(-1)
			close(i.chunks)
			select {
			case p.ended <- struct{}{}:
			default:
			}
		}()
		send := func(s []float32) error {
			select {
			case i.chunks <- s:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		i.marks, i.err = p.o.r.voice.Speak(ctx, u, gate, func(s []float32) error { return send(shape.write(s)) })
		if i.err == nil && shape.any() {
			i.err = send(shape.finish())
			shape.place(i.marks)
		}
	})
	return i
}

// gate lets the line of a number have the runtime.
func (p *speaker) gate(number int) voice.Gate {
	place := use{line: number, places: p.o.r.info.Cores}
	return func(ctx context.Context, f func() error) error {
		return p.s.gate.run(ctx, p.turn, place, func() error { return p.s.onCard(ctx, p.o.r, number, f) })
	}
}

// learn finds out how loud the speaker is, before the first sample is passed on.
func (p *speaker) learn(ctx context.Context) (err error) {
	if p.gain != 0 {
		return nil
	}
	p.s.working(true)
	defer p.s.working(false)
	p.gain, err = p.o.r.loudness(ctx, p.o.speaker, p.gate(0))
	return err
}

// follow puts what there is of the line that is next in order, and waits for
// some of it; true when that was all of it. put gets samples at the voice's own
// rate. It also returns when another line's inference has ended.
func (p *speaker) follow(ctx context.Context, i *inference, put func(context.Context, []float32) error) (done bool, err error) {
	if !i.heard {
		i.base, i.heard = p.at, true
		p.even.Clause()
	}
	send := func(s []float32) error {
		p.at += len(s)
		volume := float32(i.l.manner.Volume)
		for k, x := range s {
			s[k] = audio.Soft(x * volume)
		}
		return put(ctx, s)
	}
	if i.l.units == "" {
		return true, send(make([]float32, p.pause(i.l, i.last)))
	}
	select {
	case s, ok := <-i.chunks:
		if ok {
			if err := p.learn(ctx); err != nil {
				return false, err
			}
			p.amplify(s)
			return false, send(p.trim.Write(nil, s))
		}
	case <-p.ended:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if i.err != nil {
		return false, i.err
	}
	rest := p.trim.End(nil, p.pause(i.l, i.last))
	if p.captions != nil {
		p.captions.line(i.l, i.marks, i.base, p.rate, p.trim)
	}
	return true, send(rest)
}

// amplify brings samples to the loudness that every voice and every clause has.
func (p *speaker) amplify(s []float32) {
	for k := range s {
		s[k] *= p.gain
	}
	p.even.Write(s)
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
