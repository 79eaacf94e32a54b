package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Write prints the report as a table for a terminal, or as Markdown.
func (r *Report) Write(w io.Writer, markdown bool) error {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	heading := ""
	if markdown {
		heading = "### "
	}
	p("%s%s: %s", heading, r.Workload, r.Help)
	p("")
	list := func(mark string, s *SideInfo) {
		line := fmt.Sprintf("%s = %s %s", mark, s.Label, s.Version)
		if s.Model != "" {
			line += ", model " + shortName(s.Model)
		}
		p("%s, %d requests, %d errors", line, s.Requests, s.Errors)
		if len(s.Ready) > 0 {
			p("    ready after %s ms, ends in %s ms, memory %s MiB (peak %s), medians of %d starts",
				number(Median(s.Ready)), number(Median(s.Exit)), number(Median(s.Memory)), number(Median(s.MemoryPeak)), len(s.Ready))
		}
		for _, text := range s.ErrorTexts {
			p("    error: %s", text)
		}
		if markdown {
			p("")
		}
	}
	list("A", &r.A)
	if r.B != nil {
		list("B", r.B)
	}
	p("%d start(s) × %d round(s), seed %d; %s, %d cores, load %s → %s; client's own share of a TTFT %s ms",
		r.Starts, r.Options.Rounds, r.Seed, r.Machine.CPU, r.Machine.Cores, load(r.Machine.Load), load(r.Machine.LoadEnd), number(r.Machine.ClientCost))
	p("")
	head, rows := r.rows()
	if markdown {
		p("| %s |", strings.Join(head, " | "))
		p("|%s", strings.Repeat("---|", len(head)))
		for _, row := range rows {
			p("| %s |", strings.Join(row, " | "))
		}
	} else {
		align(&b, head, rows)
	}
	for key, n := range r.TextPairs {
		p("texts %q: %d of %d differ between A and B", key, r.Differ[key], n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rows are two lines a metric: A with the ratios, B.
func (r *Report) rows() (head []string, rows [][]string) {
	head = []string{"metric", "unit", "", "n", "p50", "p90", "p95", "p99", "max"}
	if r.B != nil {
		head = append(head, "A/B p50", "p95", "p99", "max", "pairs p25–p75")
	}
	line := func(name, unit, mark string, s Summary) []string {
		return []string{name, unit, mark, strconv.Itoa(s.N), number(s.P50), number(s.P90), number(s.P95), number(s.P99), number(s.Max)}
	}
	for _, m := range r.Metrics {
		row := line(m.Name, m.Unit, "A", m.A)
		if m.B == nil {
			rows = append(rows, row)
			continue
		}
		spread := ""
		if s := m.Ratio.Pairs; s.N > 0 {
			spread = fmt.Sprintf("%s–%s (%d)", ratio(s.P25), ratio(s.P75), s.N)
		}
		rows = append(rows,
			append(row, ratio(m.Ratio.P50), ratio(m.Ratio.P95), ratio(m.Ratio.P99), ratio(m.Ratio.Max), spread),
			append(line("", "", "B", *m.B), "", "", "", "", ""))
	}
	return head, rows
}

func align(b *strings.Builder, head []string, rows [][]string) {
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range append([][]string{head}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i < 3 {
				line.WriteString(cell + pad + "  ")
			} else {
				line.WriteString(pad + cell + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// number prints three significant digits, and whole numbers from 100 on.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case v == math.Trunc(v) || a >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func ratio(v float64) string {
	if v == 0 {
		return "–"
	}
	return strconv.FormatFloat(v, 'f', 3, 64) + "×"
}

func load(v []float64) string {
	if len(v) == 0 {
		return "–"
	}
	return strconv.FormatFloat(v[0], 'f', 2, 64)
}

// shortName leaves the file's name of a model named by its path.
func shortName(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }
