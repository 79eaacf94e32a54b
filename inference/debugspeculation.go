package inference

import (
	"bytes"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"repartee/speculation"
)

// DebugSpeculation writes the state of the controller of guesses readably: what
// the sources gave by place, the chances learned, the prices it weighs them
// against and what it would choose. The scheduler is held up meanwhile, for some
// microseconds. It fails with ErrClosed.
func (e *Engine) DebugSpeculation(w io.Writer) error {
	var out bytes.Buffer
	if err := e.errand(func() { e.sched.printGuesses(&out) }); err != nil {
		return err
	}
	_, err := out.WriteTo(w)
	return err
}

func (s *scheduler) printGuesses(out io.Writer) {
	g := &s.guess
	fmt.Fprintf(out, "model %s\n", s.e.cfg.Name)
	if g.most == 0 {
		fmt.Fprintln(out, "speculation is off")
		return
	}
	st := &g.stats
	fmt.Fprintf(out, "saved: %.3f s of streams' time\n", st.Saved.Seconds())
	if d, ok := g.model.(*headDrafter); ok {
		fmt.Fprintf(out, "draft head: %s, at most %d guesses; it reads the steps: %v; a row costs it %.2f ms\n", d.head.Kind, d.head.Most, d.on, ms(d.following(1, 256)))
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "source\tguesses\tright\tby place: right of tried")
	for from := range speculation.Sources {
		fmt.Fprintf(w, "%s\t%d\t%d\t", from, st.Drafted[from], st.Accepted[from])
		for i := 0; i < speculation.MaxDraft && st.ByPlace[from][i].Drafted > 0; i++ {
			fmt.Fprintf(w, " %d/%d", st.ByPlace[from][i].Accepted, st.ByPlace[from][i].Drafted)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, "\nchances\tgrade\tfirst\t2-3\t4-7\t8-15\tfurther")
	for i, r := range g.rates {
		r.Print(w, [...]string{"greedy", "sampled"}[i])
	}
	fmt.Fprintf(w, "\nanother number of rows than the step before: %.2f ms for its graph\n", ms(s.cost.graph()))
	fmt.Fprintln(w, "\nguesses\tstep ms\tdraft ms\tspeed if all are right\tchance at which it pays")
	for _, row := range s.prices(256) {
		fmt.Fprintf(w, "%d\t%.1f\t%.1f\t%.2f\t%.2f\n", row.guesses, ms(row.step), ms(row.draft), row.best, row.even)
	}
	_ = w.Flush() // a buffer takes everything
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// price is what k guesses of a sequence alone cost, and what they can gain.
type price struct {
	guesses     int
	step, draft time.Duration
	best        float64 // speed over that without guesses when all are right
	even        float64 // chance of each guess at which nothing is won or lost; above 1 = never
}

// prices lists what guesses cost a sequence of so many tokens that is alone.
func (s *scheduler) prices(depth int) (out []price) {
	load := decoding(1, depth)
	base := s.cost.predict(load)
	for _, k := range []int{0, 1, 2, 3, 4, 7, 15, 31} {
		p := price{guesses: k, step: s.cost.predict(load.guessing(k, depth))}
		if d := s.guess.model; d != nil {
			p.draft = d.rounds(k, 1, 2, depth)
		}
		slower := float64(p.step+p.draft) / float64(base)
		p.best = float64(k+1) / slower
		for p.even = 0; p.even <= 1 && k > 0; p.even += 0.01 {
			tokens, chance := 1.0, 1.0
			for range k {
				chance *= p.even
				tokens += chance
			}
			if tokens >= slower {
				break
			}
		}
		out = append(out, p)
	}
	return out
}
