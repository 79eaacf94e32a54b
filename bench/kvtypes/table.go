package kvtypes

import (
	"fmt"
	"io"
)

// Write prints the report as a Markdown table.
func (r *Report) Write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s, %d places, pieces and depth of %d tokens\n\n"+
		"| types | perplexity | divergence, nats | same best token | MiB for 1000 tokens | reading, tokens/s | a step of 1 row, ms |\n"+
		"|---|---:|---:|---:|---:|---:|---:|\n", r.Model, r.Places, r.Tokens); err != nil {
		return err
	}
	for _, x := range r.Results {
		if _, err := fmt.Fprintf(w, "| %s | %.3f | %.5f ± %.5f | %.1f %% | %.1f | %.0f | %.1f |\n",
			x.Name, x.Perplexity, x.Divergence, x.DivergenceError, 100*x.Same, x.Bytes*1000/(1<<20), x.Read, x.Step); err != nil {
			return err
		}
	}
	return nil
}
