package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Report is everything a measurement gave. Its JSON form is what --json
// writes; names and units are those of Metrics.
type Report struct {
	Workload string         `json:"workload"` // e.g. "chat hot"
	Help     string         `json:"help"`
	Command  []string       `json:"command"`
	Options  Options        `json:"options"`
	Seed     uint64         `json:"seed"`
	Starts   int            `json:"starts"`
	Machine  Machine        `json:"machine"`
	A        SideInfo       `json:"a"`
	B        *SideInfo      `json:"b,omitempty"`
	Metrics  []MetricReport `json:"metrics"`
	// Differ counts texts that the two servers gave differently, by key, over
	// all rounds; TextPairs is how many were compared.
	Differ    map[string]int `json:"differ,omitempty"`
	TextPairs map[string]int `json:"text_pairs,omitempty"`
}

// SideInfo is one server in a report.
type SideInfo struct {
	Label       string            `json:"label"`
	URL         string            `json:"url"`
	Kind        Kind              `json:"kind"`
	Version     string            `json:"version,omitempty"`
	Model       string            `json:"model,omitempty"`
	Voice       string            `json:"voice,omitempty"`
	Command     []string          `json:"command,omitempty"`
	Extra       map[string]any    `json:"extra,omitempty"`
	Calibration Calibration       `json:"calibration"`
	Requests    int               `json:"requests"`
	Errors      int               `json:"errors"`
	ErrorTexts  []string          `json:"error_texts,omitempty"`
	Ready       []float64         `json:"ready_ms,omitempty"` // exec → ready, each start
	Exit        []float64         `json:"exit_ms,omitempty"`  // SIGTERM → ended
	Memory      []float64         `json:"memory_mib,omitempty"`
	MemoryPeak  []float64         `json:"memory_peak_mib,omitempty"`
	Texts       map[string]string `json:"texts,omitempty"` // of the first round
}

// MetricReport is one metric on both servers.
type MetricReport struct {
	Name   string    `json:"name"` // with its label: "ttft@4"
	Unit   string    `json:"unit"`
	Help   string    `json:"help"`
	More   bool      `json:"more_is_better"`
	A      Summary   `json:"a"`
	B      *Summary  `json:"b,omitempty"`
	Ratio  *Ratio    `json:"ratio,omitempty"`
	StartA []Summary `json:"starts_a"`
	StartB []Summary `json:"starts_b,omitempty"`
}

// report puts together what the rounds gave.
func (r *runner) report(starts int) *Report {
	out := &Report{
		Workload: r.Workload.Kind + " " + r.Workload.Name, Help: r.Workload.Help, Command: r.Command,
		Options: r.Options, Seed: r.Seed, Starts: starts, Machine: r.machine, A: r.sides[0].summary(),
	}
	if len(r.sides) == 2 {
		b := r.sides[1].summary()
		out.B = &b
		out.Differ, out.TextPairs = compareTexts(r.sides[0].starts, r.sides[1].starts)
	}
	for _, name := range r.names() {
		m, _, _ := MetricOf(name)
		report := MetricReport{Name: name, Unit: m.Unit, Help: m.Help, More: m.More}
		report.StartA = r.sides[0].values(name)
		report.A = MedianOfStarts(report.StartA)
		if len(r.sides) == 2 {
			report.StartB = r.sides[1].values(name)
			b := MedianOfStarts(report.StartB)
			report.B = &b
			ratio := Compare(report.A, b, r.pairs(name))
			report.Ratio = &ratio
		}
		out.Metrics = append(out.Metrics, report)
	}
	return out
}

// names are all recorded metrics, in the order of Metrics and then of labels'
// first appearance.
func (r *runner) names() []string {
	var names []string
	for _, s := range r.sides {
		for _, start := range s.starts {
			for _, round := range start {
				for _, n := range round.names {
					if !slices.Contains(names, n) {
						names = append(names, n)
					}
				}
			}
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		_, _, i := MetricOf(a)
		_, _, j := MetricOf(b)
		return i - j
	})
	return names
}

// values summarises a metric for each start.
func (s *side) values(name string) []Summary {
	out := make([]Summary, len(s.starts))
	for i, start := range s.starts {
		var all []float64
		for _, round := range start {
			all = append(all, round.samples[name]...)
		}
		out[i] = Summarise(all)
	}
	return out
}

// pairs lists the rounds that both servers ran.
func (r *runner) pairs(name string) []Pair {
	var out []Pair
	a, b := r.sides[0].starts, r.sides[1].starts
	for i := range min(len(a), len(b)) {
		for j := range min(len(a[i]), len(b[i])) {
			x, y := a[i][j].samples[name], b[i][j].samples[name]
			if len(x) > 0 && len(y) > 0 {
				out = append(out, Pair{x, y})
			}
		}
	}
	return out
}

func (s *side) summary() SideInfo {
	info := s.info
	info.Label = s.Label
	info.Ready, info.Exit, info.Memory, info.MemoryPeak = s.ready, s.exits, s.rss, s.peak
	for _, start := range s.starts {
		for _, round := range start {
			info.Requests += round.requests
			info.Errors += round.errors
			for _, text := range round.said {
				if len(info.ErrorTexts) < maxErrorTexts && !slices.Contains(info.ErrorTexts, text) {
					info.ErrorTexts = append(info.ErrorTexts, text)
				}
			}
			if info.Texts == nil && len(round.texts) > 0 {
				info.Texts = round.texts
			}
		}
	}
	return info
}

func compareTexts(a, b [][]*Round) (differ, pairs map[string]int) {
	for i := range min(len(a), len(b)) {
		for j := range min(len(a[i]), len(b[i])) {
			for _, key := range a[i][j].order {
				other, ok := b[i][j].texts[key]
				if !ok {
					continue
				}
				if differ == nil {
					differ, pairs = map[string]int{}, map[string]int{}
				}
				group, _, _ := strings.Cut(key, "/")
				pairs[group]++
				if other != a[i][j].texts[key] {
					differ[group]++
				}
			}
		}
	}
	return differ, pairs
}

// Failed tells whether any request failed.
func (r *Report) Failed() bool { return r.A.Errors > 0 || (r.B != nil && r.B.Errors > 0) }

// WriteJSON writes the report to a file.
func (r *Report) WriteJSON(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("bench: writing report %q: %w", file, err)
	}
	return nil
}

// ReadReference reads the texts of the server with this label from an earlier
// report; with another label, those of its first server.
func ReadReference(file, label string) (map[string]string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("bench: reference: %w", err)
	}
	var r Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("bench: reference %q: %w", file, err)
	}
	texts := r.A.Texts
	if r.B != nil && r.B.Label == label && r.A.Label != label {
		texts = r.B.Texts
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("bench: reference %q holds no texts", file)
	}
	return texts, nil
}
