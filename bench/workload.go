package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options size a workload. Zero fields take the workload's own default; a
// workload ignores what it has no use for.
type Options struct {
	Rounds      int           `json:"rounds"`      // repetitions a start
	Warmup      int           `json:"warmup"`      // unrecorded rounds before them; −1 = none
	Clients     int           `json:"clients"`     // at once
	Requests    int           `json:"requests"`    // a client and round
	Rate        float64       `json:"rate"`        // open loop: requests a second; 0 = closed loop
	Prompt      int           `json:"prompt"`      // tokens
	Tokens      int           `json:"tokens"`      // most tokens of an answer
	Turns       int           `json:"turns"`       // of a conversation
	Fresh       int           `json:"fresh"`       // words of each later user message, one token each
	Sessions    int           `json:"sessions"`    // conversations
	Delay       time.Duration `json:"delay"`       // workload cancel: before the client leaves
	Temperature float64       `json:"temperature"` // 0 = greedy
	Format      string        `json:"format"`      // of speech
	Reference   string        `json:"reference"`   // workload determinism: an earlier report to compare with
}

// Env is what a round gets: one server, one start, one place in the sequence.
type Env struct {
	Options
	Target *Target
	Seed   uint64
	Start  int
	Index  int // round, negative while warming up
	*Round
	// Keep lives as long as one start of one server; workloads that carry
	// something from round to round put it there.
	Keep map[string]any
}

// Workload is one kind of work.
type Workload struct {
	Kind    string // chat, tts, ws, mixed
	Name    string
	Help    string
	Default Options
	// Exact tells that it needs exact prompts, so the server is calibrated.
	Exact bool
	// Owned tells that it stops and starts the server itself.
	Owned bool
	Run   func(ctx context.Context, e *Env) error
}

// Workloads are all that there are.
func Workloads() []Workload {
	return slices.Concat(chatWorkloads, engineWorkloads, textWorkloads, speechWorkloads, socketWorkloads, mixedWorkloads)
}

// FindWorkload looks a workload up; an unknown name lists what there is.
func FindWorkload(kind, name string) (Workload, error) {
	var have []string
	for _, w := range Workloads() {
		if w.Kind != kind {
			continue
		}
		if w.Name == name {
			return w, nil
		}
		have = append(have, w.Name)
	}
	return Workload{}, fmt.Errorf("bench: %s workload %q: there are %s", kind, name, strings.Join(have, ", "))
}

// over returns the options with a's non-zero fields in the place of d's.
func (d Options) over(a Options) Options {
	pick := func(have *int, want int) {
		if want != 0 {
			*have = want
		}
	}
	pick(&d.Rounds, a.Rounds)
	pick(&d.Warmup, a.Warmup)
	pick(&d.Clients, a.Clients)
	pick(&d.Requests, a.Requests)
	pick(&d.Prompt, a.Prompt)
	pick(&d.Tokens, a.Tokens)
	pick(&d.Turns, a.Turns)
	pick(&d.Sessions, a.Sessions)
	pick(&d.Fresh, a.Fresh)
	if a.Rate != 0 {
		d.Rate = a.Rate
	}
	if a.Delay != 0 {
		d.Delay = a.Delay
	}
	if a.Temperature != 0 {
		d.Temperature = a.Temperature
	}
	if a.Format != "" {
		d.Format = a.Format
	}
	if a.Reference != "" {
		d.Reference = a.Reference
	}
	d.Rounds, d.Warmup = max(d.Rounds, 1), max(d.Warmup, 0)
	return d
}
