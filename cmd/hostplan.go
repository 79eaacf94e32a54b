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
	"repartee/inference/llama/gguf"
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
	want := gpu.Want{Card: "this machine", Total: total, Free: free, Reserve: total / 16, Parts: m.hostParts}
	p := &hostPlan{later: m.laterParts, copies: map[string]uint64{}}
	add := func(name, path string) {
		file, err := gguf.Open(path)
		if err != nil {
			return // whoever loads it says what is wrong
		}
		print, err := file.Footprint()
		if err != nil {
			return
		}
		load := gpu.LoadOf(name, print, false, gpu.Step{Rows: rows, Outputs: outputs, Cells: m.CtxSize, KeyBits: kvBits[k], ValueBits: kvBits[v], GPULayers: -1})
		load.MaxCells = min(load.MaxCells, mostCells)
		load.GPULayers = len(load.Layers) + 1
		load.Output += load.Host // all of it lies in one memory
		load.Host = 0
		p.copies[name] = print.Weights()
		want.Models = append(want.Models, load)
	}
	seen := map[string]bool{}
	drafts, err := m.draftPaths(m.named())
	if err != nil {
		return nil, err
	}
	for _, spec := range m.named() {
		path, err := catalog.Resolve(spec.Path, supply.Dir())
		if err != nil || seen[path] {
			continue
		}
		seen[path] = true
		add(spec.Name, path)
		if d := drafts[spec.Name]; d != "" {
			add(spec.Name+" (draft)", d)
		}
	}
	if len(want.Models) == 0 {
		return nil, nil
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
	for _, f := range p.Models {
		all := f.Card() + p.copies[f.Name]
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
	for _, f := range p.Models {
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
