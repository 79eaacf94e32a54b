package voice

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
)

// A stream of a long text is begun before all of the text is read. The text
// part's attention sees the whole sentence, so its time grows with it, and sound
// would have to wait for a word that is heard ten seconds later. Its first words
// are therefore read twice: with a little of what follows them, for the first
// seconds of sound, and, on another core, with everything. Ids up to the opening's
// end are spoken as they were read first, the rest as it was read then.
//
// Lengths in ids; Piper has two for a phoneme.
const (
	longText     = 180 // the least text that is worth it
	openingMost  = 84  // kept of the first reading
	openingComma = 44  // from here on a mark is a good place for its end
	afterwards   = 32  // read behind it: what follows is heard in how a word is said
)

// opening says how many ids are kept of the first reading and how many it reads; 0
// = the text is read once.
func (v *vits) opening(ids []int64, runes []rune) (keep, read int) {
	if len(ids) < v.long {
		return 0, 0
	}
	mark := rune(0)
	for i, r := range runes[:openingMost] {
		switch {
		case r == ' ':
			if keep = i; i >= openingComma && strings.ContainsRune(",;:—", mark) {
				return keep, keep + afterwards
			}
			mark = 0
		case r != 0:
			mark = r
		}
	}
	if keep < openingMost/2 { // no words in it, or one that does not end
		return 0, 0
	}
	return keep, keep + afterwards
}

// speakEarly is Speak for a text whose opening is read before the rest.
func (v *vits) speakEarly(ctx context.Context, u Utterance, ids []int64, runes []rune, keep, read int, gate Gate, emit func([]float32) error) ([]Mark, error) {
	ctx, cancel := context.WithCancel(ctx)
	begun := make(chan struct{})
	var s sound
	whole := aside(func() (err error) {
		select {
		case <-begun: // the opening comes first
			s, err = v.read(ctx, u, ids, len(ids), gate)
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	defer func() { <-whole.done }()
	defer cancel()
	first, err := v.read(ctx, u, ids, read, func(ctx context.Context, f func() error) error {
		return gate(ctx, func() error {
			close(begun)
			return f()
		})
	})
	if err != nil {
		return nil, err
	}
	length := v.enc.scales().length
	dur := durations(first.w[:keep], length, u.Speed)
	opening := total(dur)
	z := make([]float32, int(v.cut.channels)*opening)
	v.noise.fill(z, u.Seed)
	v.latent(z, opening, 0, first, dur, 0)

	// What depends on the opening alone is made of it while the rest is read.
	stages := v.stages()
	sure := opening - reach(stages)[0] - stages[0].radius
	begin := 2 * tailWindow
	soon := func(func([]float32) error) error { return nil }
	if sure < 2*firstWindow {
		sure, begin = 0, firstWindow
	} else {
		soon = newChain(z, opening, u.Speaker.ID, stages, v.windows(stages, 0, sure, opening, firstWindow, u)).start(ctx, v.threads, gate)
	}
	var marks []Mark
	var later func(func([]float32) error) error
	rest := aside(func() error {
		<-whole.done
		if whole.err != nil {
			return whole.err
		}
		dur := durations(append(first.w[:keep:keep], s.w[keep:]...), length, u.Speed)
		marks = v.marks(dur, runes)
		all, frames := v.goOn(u, z, opening, s, dur[keep:], keep)
		later = newChain(all, frames, u.Speaker.ID, stages, v.windows(stages, sure, frames, frames, begin, u)).start(ctx, v.threads, gate)
		return nil
	})
	err = soon(emit)
	if err != nil {
		cancel()
	}
	if <-rest.done; rest.err != nil {
		if err == nil {
			err = rest.err
		}
		return nil, err
	}
	after := later(func(y []float32) error {
		if err != nil {
			return err
		}
		return emit(y)
	})
	if err == nil {
		err = after
	}
	return marks, err
}

// goOn puts the latent of the ids from first on behind that of the opening.
func (v *vits) goOn(u Utterance, z []float32, opening int, s sound, dur []int, first int) (all []float32, frames int) {
	c := int(v.cut.channels)
	frames = opening + total(dur)
	noise := make([]float32, c*frames)
	v.noise.fill(noise, u.Seed)
	noise = noise[c*opening:] // the first of it is in z
	all = make([]float32, c*frames)
	for ch := range c {
		row := all[ch*frames : (ch+1)*frames]
		copy(row, z[ch*opening:(ch+1)*opening])
		copy(row[opening:], noise[ch*(frames-opening):(ch+1)*(frames-opening)])
	}
	v.latent(all, frames, opening, s, dur, first)
	return all, frames
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
				e.err = fmt.Errorf("voice: internal error: %v\n%s", r, debug.Stack())
			}
		}()
		e.err = f()
	}()
	return e
}
