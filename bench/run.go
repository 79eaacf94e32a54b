package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Plan is a whole measurement.
type Plan struct {
	Workload Workload
	Options  Options // over the workload's defaults
	A        Side
	B        *Side // the peer, or nil
	Starts   int   // of servers that the bench starts; 0 = 3
	Seed     uint64
	// Limit bounds the whole measurement; 0 = 30 minutes.
	Limit    time.Duration
	Progress io.Writer
	Live     bool     // Progress is a terminal: every round is shown
	Command  []string // for the report
}

// side is one server's state during a run.
type side struct {
	Side
	target *Target
	keep   map[string]any
	starts [][]*Round
	ready  []float64 // exec → ready, ms
	exits  []float64
	rss    []float64
	peak   []float64
	info   SideInfo
}

// Run carries a plan out. It returns the report also with an error, when some
// rounds were run before it.
func Run(ctx context.Context, p Plan) (*Report, error) {
	if p.Limit == 0 {
		p.Limit = 30 * time.Minute
	}
	ctx, stop := context.WithTimeoutCause(ctx, p.Limit, fmt.Errorf("bench: stopped after the limit of %v (--limit)", p.Limit))
	defer stop()
	p.Options = p.Workload.Default.over(p.Options)
	sides := []*side{{Side: p.A}}
	if p.B != nil {
		sides = append(sides, &side{Side: *p.B})
	}
	starts := 1
	for _, s := range sides {
		if s.Launch != nil {
			starts = max(p.Starts, 0)
			if starts == 0 {
				starts = 3
			}
		} else if p.Workload.Owned {
			return nil, fmt.Errorf("bench: workload %s stops and starts the server itself: give --start in the place of --url", p.Workload.Name)
		}
	}
	r := &runner{Plan: p, sides: sides, machine: ReadMachine()}
	r.machine.ClientCost = ClientCost(ctx)
	began := time.Now()
	var err error
	for i := range starts {
		if err = r.oneStart(ctx, i, starts); err != nil {
			break
		}
	}
	r.machine.Seconds, r.machine.LoadEnd = time.Since(began).Seconds(), loadAverage()
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return r.report(starts), err
}

type runner struct {
	Plan
	sides   []*side
	machine Machine
}

func (r *runner) say(format string, args ...any) {
	if r.Progress != nil {
		fmt.Fprintf(r.Progress, format, args...)
	}
}

// oneStart brings the servers up, runs all rounds in turn and takes them down.
func (r *runner) oneStart(ctx context.Context, start, of int) (err error) {
	for _, s := range r.sides {
		s.starts = append(s.starts, nil)
	}
	defer func() {
		for _, s := range r.sides {
			s.down()
		}
	}()
	for _, s := range r.sides {
		name := s.Label
		if name == "" {
			name = "a server"
		}
		r.say("start %d of %d: %s …", start+1, of, name)
		if err := s.up(ctx, r.Workload); err != nil {
			r.say("\n")
			return err
		}
		r.say(" ready\n")
	}
	for i := -r.Options.Warmup; i < r.Options.Rounds; i++ {
		for _, s := range r.sides {
			if r.Live {
				r.say("\r  round %d of %d (%s)      ", i+1, r.Options.Rounds, s.Label)
			}
			e := &Env{
				Options: r.Options, Target: s.target, Seed: r.Seed, Start: start, Index: i,
				Round: NewRound(), Keep: s.keep,
			}
			err := r.Workload.Run(ctx, e)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if i >= 0 {
				s.starts[start] = append(s.starts[start], e.Round)
			}
			if err != nil && e.Round.errors == 0 {
				e.Round.Result(err)
			}
			if err != nil && i < 0 {
				return fmt.Errorf("bench: warming up %s: %w", s.Label, err)
			}
		}
	}
	if r.Live {
		r.say("\n")
	}
	return nil
}

// up starts the server if that is asked for, and finds out what it is.
func (s *side) up(ctx context.Context, w Workload) error {
	s.keep = map[string]any{}
	var proc *Process
	if s.Launch != nil {
		var err error
		if proc, err = Start(ctx, *s.Launch, s.Label); err != nil {
			return err
		}
		s.URL = proc.URL
		s.ready = append(s.ready, ms(proc.Start))
	}
	client, err := NewClient(s.URL, s.Key)
	if err != nil {
		if proc != nil {
			proc.Stop()
		}
		return err
	}
	s.target = &Target{Side: s.Side, Client: client, Proc: proc}
	if err := s.target.Probe(ctx, w.Kind != "tts"); err != nil {
		return err
	}
	if s.Label == "" {
		s.Label = string(s.target.Kind)
	}
	s.target.Label = s.Label
	if w.Kind == "tts" || w.Kind == "mixed" {
		s.target.FindSpeech(ctx)
	}
	if w.Exact {
		if s.target.Calib, err = Calibrate(ctx, s.target); err != nil {
			return err
		}
	}
	s.info = SideInfo{
		Label: s.Label, URL: s.URL, Kind: s.target.Kind, Version: s.target.Version, Model: s.target.Model,
		Voice: s.Voice, Extra: s.Extra, Calibration: s.target.Calib,
	}
	if s.Launch != nil {
		s.info.Command = s.Launch.Args
	}
	return nil
}

// down reads the memory and ends the process if the bench started it.
func (s *side) down() {
	if s.target == nil {
		return
	}
	s.target.Client.Close()
	if p := s.target.Proc; p != nil {
		now, peak := p.Memory()
		s.rss, s.peak = append(s.rss, now), append(s.peak, peak)
		s.exits = append(s.exits, ms(p.Stop()))
	}
	s.target = nil
}

// errNoTimings is for workloads that need the server's own timings.
var errNoTimings = errors.New("bench: the server gives no timings (neither a timings field nor Server-Timing)")
