package gpucheck

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Status is how a check ended.
type Status string

// The statuses. Missed is a figure short of its target; Failed is something that
// does not work; NotRun says why in its detail.
const (
	OK     Status = "ok"
	Missed Status = "missed"
	Failed Status = "failed"
	NotRun Status = "not run"
)

// Check is one line of the report.
type Check struct {
	Group  string  `json:"group"`
	Name   string  `json:"name"`
	Status Status  `json:"status"`
	Value  float64 `json:"value,omitempty"`
	Unit   string  `json:"unit,omitempty"`
	Target string  `json:"target,omitempty"` // "≤ 100 ms"
	Detail string  `json:"detail,omitempty"`
}

// Report is everything a run gave.
type Report struct {
	Began   time.Time `json:"began"`
	Took    float64   `json:"took_seconds"`
	Version string    `json:"version"`
	Machine string    `json:"machine"`
	Device  string    `json:"device"` // what was computed on
	Dry     bool      `json:"dry"`    // over the stand-in: figures are not judged
	Checks  []Check   `json:"checks"`
}

// Count is how many checks ended so.
func (r *Report) Count(s Status) (n int) {
	for _, c := range r.Checks {
		if c.Status == s {
			n++
		}
	}
	return n
}

// WriteJSON writes the report to a file.
func (r *Report) WriteJSON(file string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("gpucheck: writing %q: %w", file, err)
	}
	return nil
}

// Write writes the report as Markdown.
func (r *Report) Write(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# GPU check\n\n")
	if r.Dry {
		b.WriteString("**Dry run**: a stand-in in the place of the GPU computes on the processor, with thinned models. It shows that the check works; its figures say nothing about a GPU and are not judged.\n\n")
	}
	fmt.Fprintf(&b, "%d ok, %d short of the target, %d failed, %d not run, in %.0f s. repartee %s, %s.\n\n", r.Count(OK), r.Count(Missed), r.Count(Failed), r.Count(NotRun), r.Took, r.Version, r.Began.UTC().Format("2006-01-02 15:04 UTC"))
	fmt.Fprintf(&b, "* Machine: %s\n* Computes on: %s\n", r.Machine, r.Device)
	group := ""
	for _, c := range r.Checks {
		if c.Status == NotRun {
			continue
		}
		if c.Group != group {
			group = c.Group
			fmt.Fprintf(&b, "\n## %s\n\n| | check | measured | target | |\n|---|---|---|---|---|\n", group)
		}
		value := ""
		if c.Unit != "" {
			value = number(c.Value) + " " + c.Unit
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.Status, cell(c.Name), value, c.Target, cell(c.Detail))
	}
	if r.Count(NotRun) > 0 {
		b.WriteString("\n## What did not run, and why\n\n| check | why |\n|---|---|\n")
		for _, c := range r.Checks {
			if c.Status == NotRun {
				fmt.Fprintf(&b, "| %s: %s | %s |\n", c.Group, cell(c.Name), cell(c.Detail))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// number prints with as many places as say something.
func number(v float64) string {
	switch {
	case v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// cell keeps a text within its cell of a table.
func cell(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 400 {
		s = string(r[:400]) + " …"
	}
	return strings.ReplaceAll(s, "|", "\\|")
}
