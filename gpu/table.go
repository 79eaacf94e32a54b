package gpu

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Write prints the plan as a table in MiB, before anything is loaded.
func (p Plan) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	n := func(b uint64) string { return fmt.Sprintf("%d", (b+1<<19)>>20) }
	fmt.Fprintf(w, "MiB on %s\tlayers\tcells\tweights\tKV\tcompute\tsum\tin the host's memory\t\n", p.Want.Card)
	for m := range p.Each {
		fmt.Fprintf(w, "%s\t%d of %d\t%d\t%s\t%s\t%s\t%s\t%s\t\n", m.Name, m.GPULayers, m.AllLayers, m.Cells, n(m.Weights), n(m.KV), n(m.Compute), n(m.Own()), n(m.HostWeights+m.HostKV))
	}
	for _, s := range p.Want.Parts {
		fmt.Fprintf(w, "%s\t\t\t\t\t\t%s\t\t\n", s.Name, n(s.Bytes))
	}
	fmt.Fprintf(w, "reserve\t\t\t\t\t\t%s\t\t\n", n(p.Want.Reserve))
	fmt.Fprintf(w, "needed\t\t\t\t\t\t%s\t\t\n", n(p.Need()))
	fmt.Fprintf(w, "free of %s\t\t\t\t\t\t%s\t\t\n", n(p.Want.Total), n(p.Want.Free))
	return w.Flush()
}
