package cmd

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"

	"repartee/catalog"
	"repartee/gpu"
	"repartee/inference"
	"repartee/supply"
)

// mostCells is the largest context that is chosen by itself on a processor: beyond
// it a prompt takes minutes to read.
const mostCells = 32768

// hostPlan is what the models of a process will take of the host's memory, made
// from their files before any of them is loaded.
type hostPlan struct {
	gpu.Plan
	later  []gpu.Part
	copies map[string]uint64 // by model: weights that kernels may keep in their own order too
}

// planHost plans the host's memory: contexts that are not given become as large as
// fits. It fails, with the numbers, when the models do not fit at all. nil when
// there is nothing to plan.
func (m *modelFlags) planHost() (*hostPlan, error) {
	k, v, err := inference.KVTypes(m.KVType)
	if err != nil {
		return nil, err
	}
	rows, outputs := inference.StepShape(m.Parallel, false)
	total, free := inference.HostMemory()
	if total == 0 {
		return nil, nil // this system does not say
	}
	p := &hostPlan{later: m.laterParts, copies: map[string]uint64{}}
	want := gpu.Want{Card: "this machine", Total: total, Free: free, Reserve: total / 16, Parts: m.hostParts}
	want.Models, err = m.loads(gpu.Step{Rows: rows, Outputs: outputs, Cells: m.CtxSize, KeyBits: kvBits[k], ValueBits: kvBits[v], GPULayers: -1})
	if len(want.Models) == 0 || err != nil {
		return nil, err
	}
	// All of a model lies in one memory.
	together := func(l *gpu.Load) {
		l.Output += l.Host
		l.Host = 0
		p.copies[l.Name] = l.Output
		for _, b := range l.Layers {
			p.copies[l.Name] += b
		}
	}
	for i := range want.Models {
		l := &want.Models[i]
		l.MaxCells = min(l.MaxCells, mostCells)
		l.GPULayers = len(l.Layers) + 1
		together(l)
		if l.Draft != nil {
			together(l.Draft)
		}
	}
	if p.Plan, err = want.Fit(); err != nil {
		err = fmt.Errorf("not enough memory: models and voices need %d MiB, %d MiB are free of %d MiB; give a smaller --ctx-size or fewer models", p.Need()>>20, free>>20, total>>20)
	}
	return p, err
}

// write prints the plan as a table in MiB.
func (p *hostPlan) write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	n := func(b uint64) string { return fmt.Sprint((b + 1<<19) >> 20) }
	fmt.Fprintf(w, "MiB\tcells\tweights\tcopies, at most\tKV\tcompute\tsum\t\n")
	sum := uint64(0)
	for f := range p.Each {
		all := f.Own() + p.copies[f.Name]
		sum += all
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\t\n", f.Name, f.Cells, n(f.Weights), n(p.copies[f.Name]), n(f.KV), n(f.Compute), n(all))
	}
	for _, s := range p.Want.Parts {
		sum += s.Bytes
		fmt.Fprintf(w, "%s\t\t\t\t\t\t%s\t\n", s.Name, n(s.Bytes))
	}
	fmt.Fprintf(w, "all\t\t\t\t\t\t%s\t\n", n(sum))
	for _, s := range p.later {
		fmt.Fprintf(w, "%s\t\t\t\t\t\t+ %s\t\n", s.Name, n(s.Bytes))
	}
	fmt.Fprintf(w, "available of %s\t\t\t\t\t\t%s\t\n", n(p.Want.Total), n(p.Want.Free))
	return w.Flush()
}

// show prints the plan for people, or logs it where lines are read by programs.
func (p *hostPlan) show(con *console, table bool) {
	if table {
		if err := p.write(con.err); err != nil {
			slog.Debug("printing the memory plan", "error", err)
		}
		return
	}
	for f := range p.Each {
		slog.Info("memory plan", "model", f.Name, "cells", f.Cells, "weights_mib", f.Weights>>20, "copies_mib", p.copies[f.Name]>>20, "kv_mib", f.KV>>20, "compute_mib", f.Compute>>20)
	}
	for _, s := range p.Want.Parts {
		slog.Info("memory plan", "part", s.Name, "mib", s.Bytes>>20)
	}
}

// speechHeap is what a voice takes beside its weights: the runtime's arena for the
// longest clause, as measured with Piper and Kokoro.
const speechHeap = 160 << 20

// hostVoices are what voices will take of the host's memory.
func (v *voiceFlags) hostVoices() (parts []gpu.Part) {
	if isNone(v.Voice) {
		return nil
	}
	for _, spec := range v.named() {
		if path, err := catalog.Resolve(spec.Path, supply.Dir()); err == nil {
			if st, err := os.Stat(path); err == nil {
				parts = append(parts, gpu.Part{Name: "voice " + spec.Name, Bytes: uint64(st.Size()) + speechHeap})
			}
		}
	}
	return parts
}
