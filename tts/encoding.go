package tts

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"repartee/tts/audio"
)

// encoding turns a job's samples into bytes in a goroutine of its own, so that
// encoding goes on while the next clause is inferred.
type encoding struct {
	j      *job
	in     chan []float32
	done   chan struct{}
	cancel context.CancelCauseFunc
	closed bool

	mu     sync.Mutex
	times  Timings
	pcm    []int16 // of a whole whose header needs the length
	hold   bool
	enc    audio.Encoder
	resamp *audio.Resampler
}

// holdMost bounds a whole that waits for its header: beyond it the length in
// the header stays open.
const holdMost = 64 << 20

func (e *encoding) start(ctx context.Context, cancel context.CancelCauseFunc, j *job) error {
	e.j, e.cancel = j, cancel
	e.in, e.done = make(chan []float32, 4), make(chan struct{})
	e.hold = j.o.Whole && (j.o.Format == FormatWAV || j.o.Format == FormatFLAC)
	if own := j.o.r.info.SampleRate; own != j.o.rate {
		e.resamp = audio.NewResampler(own, j.o.rate)
	}
	if !e.hold {
		if err := e.open(0); err != nil {
			return err
		}
	}
	go e.loop(ctx)
	return nil
}

func (e *encoding) open(samples int64) (err error) {
	e.enc, err = e.j.o.format.NewEncoder(audio.Options{SampleRate: e.j.o.rate, Samples: samples, Whole: e.j.o.Whole})
	return err
}

// put hands samples over; the callee owns them.
func (e *encoding) put(ctx context.Context, s []float32) error {
	if len(s) == 0 {
		return nil
	}
	select {
	case e.in <- s:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// finish says that all samples came and waits for the last byte.
func (e *encoding) finish(ctx context.Context) error {
	e.closed = true
	close(e.in)
	<-e.done
	return ctx.Err()
}

// stop ends the goroutine and frees the encoder.
func (e *encoding) stop() {
	if !e.closed {
		e.cancel(context.Canceled)
		close(e.in)
		<-e.done
	}
	if e.enc != nil {
		e.enc.Close()
	}
}

func (e *encoding) loop(ctx context.Context) {
	defer close(e.done)
	defer func() {
		if r := recover(); r != nil {
			e.j.s.log.Error("encoding failed", "panic", r, "stack", string(debug.Stack()))
			e.cancel(fmt.Errorf("tts: internal error: %v", r))
		}
	}()
	for s := range e.in {
		if ctx.Err() != nil {
			continue // until the channel is closed
		}
		if err := e.samples(ctx, s, false); err != nil {
			e.cancel(err)
		}
	}
	if ctx.Err() == nil {
		if err := e.samples(ctx, nil, true); err != nil {
			e.cancel(err)
		}
	}
}

// samples resamples and encodes; last ends the speech.
func (e *encoding) samples(ctx context.Context, s []float32, last bool) error {
	t0 := time.Now()
	if e.resamp != nil {
		s = e.resamp.Write(nil, s)
		if last {
			s = e.resamp.Finish(s)
		}
	}
	pcm := audio.Int16(nil, s)
	n := len(pcm)
	if e.hold {
		e.pcm = append(e.pcm, pcm...)
		pcm = nil
		if total := int64(len(e.pcm)); last || total > holdMost {
			if !last {
				total = 0
			}
			if err := e.open(total); err != nil {
				return err
			}
			pcm, e.pcm, e.hold = e.pcm, nil, false
		}
	}
	var out []byte
	var err error
	if e.enc != nil {
		if out, err = e.enc.Encode(nil, pcm); err == nil && last {
			out, err = e.enc.Finish(out)
		}
	}
	if err != nil {
		return err
	}
	t := e.account(time.Since(t0), n, len(out) > 0)
	if len(out) == 0 {
		return nil
	}
	return e.j.t.add(ctx, out, t)
}

func (e *encoding) account(d time.Duration, samples int, bytes bool) Timings {
	e.mu.Lock()
	e.times.Encode += d
	e.times.Audio += time.Duration(samples) * time.Second / time.Duration(e.j.o.rate)
	e.times.Total = time.Since(e.j.started)
	if bytes && e.times.First == 0 {
		e.times.First = e.times.Total
	}
	e.mu.Unlock()
	return e.timings()
}

// timings as far as this goroutine may know them.
func (e *encoding) timings() Timings {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.times
	t.Inference, t.Queue = e.j.s.gate.times(&e.j.turn)
	return t
}
