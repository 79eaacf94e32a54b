package cmd

import (
	"fmt"
	"io"
	"log/slog"
	"os"

	"repartee/catalog"
	"repartee/gpu"
	"repartee/inference"
	"repartee/inference/llama"
	"repartee/inference/llama/gguf"
	"repartee/supply"
)

// kvBits is the size of a cache's element.
var kvBits = map[llama.KVType]float64{"": 16, llama.KVF16: 16, llama.KVBF16: 16, llama.KVQ8: 8.5, llama.KVQ4: 4.5}

// planFor plans a card's memory for the models before any of them is loaded, and
// prints the plan. Files that are no models are left to those that load them.
func (m *modelFlags) planFor(out io.Writer) planner {
	return func(d gpu.Device) (*gpu.Plan, error) {
		k, v, err := inference.KVTypes(m.KVType)
		if err != nil {
			return nil, err
		}
		rows, outputs := inference.StepShape(m.Parallel, true)
		listed := 2 * m.Parallel // guesses add rows
		if m.GPUSampling == string(inference.SampleOnHost) {
			listed = 0
		}
		want := gpu.Want{Card: d.Name, Total: d.TotalBytes, Free: d.FreeBytes, Parts: m.parts}
		want.Models, err = m.loads(gpu.Step{
			Rows: rows, Outputs: outputs, Cells: m.CtxSize, KeyBits: kvBits[k], ValueBits: kvBits[v], GPULayers: m.GPULayers, Listed: listed, OnCard: true,
		})
		if len(want.Models) == 0 || err != nil {
			return nil, err
		}
		plan, err := want.Fit()
		if werr := plan.Write(out); werr != nil {
			slog.Debug("printing the memory plan", "error", werr)
		}
		if err != nil {
			return nil, err
		}
		layers := 0
		for _, f := range plan.Models {
			layers += f.GPULayers
		}
		if layers == 0 && m.GPULayers != 0 {
			return nil, fmt.Errorf("%w on %s: not one layer fits into %d MiB free of %d MiB", gpu.ErrFull, d.Name, d.FreeBytes>>20, d.TotalBytes>>20)
		}
		for f := range plan.Each {
			slog.Info("memory plan", "card", d.UUID, "model", f.Name, "layers", fmt.Sprintf("%d of %d", f.GPULayers, f.AllLayers), "cells", f.Cells,
				"weights_mib", f.Weights>>20, "kv_mib", f.KV>>20, "compute_mib", f.Compute>>20, "host_mib", (f.HostWeights+f.HostKV)>>20)
		}
		return &plan, nil
	}
}

// loads are what the models to load ask for, each with what guesses for it. Files that
// are no models are left to those that load them.
func (m *modelFlags) loads(step gpu.Step) (out []gpu.Load, err error) {
	read := func(name, path string, step gpu.Step) *gpu.Load {
		file, err := gguf.Open(path)
		if err != nil {
			return nil
		}
		print, err := file.Footprint()
		if err != nil {
			return nil
		}
		l := gpu.LoadOf(name, print, file.Tied(), step)
		return &l
	}
	drafts, err := m.draftPaths(m.named())
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, spec := range m.named() {
		path, err := catalog.Resolve(spec.Path, supply.Dir())
		if err != nil || seen[path] {
			continue
		}
		seen[path] = true
		l := read(spec.Name, path, step)
		if l == nil {
			continue
		}
		if d := drafts[spec.Name]; d != "" && inference.Drafts(m.speculation()) {
			own := step
			own.Outputs, own.Listed = m.Parallel, 0
			l.Draft = read(spec.Name+" (draft)", d, own)
		}
		out = append(out, *l)
	}
	return out, nil
}

// named are the models to load, the default one where none is given.
func (m *modelFlags) named() []named {
	if len(m.Model) == 0 {
		def := catalog.Default(catalog.Model)
		return []named{{def.Name, def.Name}}
	}
	return m.Model
}

// fit is the plan's part for a model: layers on the card and cells. Without a plan
// it is what the flags say.
func (m *modelFlags) fit(plan *gpu.Plan, name string) (layers, cells int) {
	if plan != nil {
		for _, f := range plan.Models {
			if f.Name == name {
				return f.GPULayers, f.Cells
			}
		}
	}
	return m.GPULayers, m.CtxSize
}

// What a voice takes of a card beside its weights: the runtime's own context, the
// libraries' workspaces, and an arena for the longest clause.
const (
	speechContext = 400 << 20
	speechArena   = 256 << 20
)

// cardParts are what voices will take of a card, as far as that can be known from
// their files; none when speech will not be computed there.
func (v *voiceFlags) cardParts() []gpu.Part {
	if v.TTSDevice == "cpu" || isNone(v.Voice) {
		return nil
	}
	if _, err := supply.Find(supply.ONNXRuntimeGPU); err != nil {
		return nil
	}
	parts := []gpu.Part{{Name: "speech: runtime", Bytes: speechContext}}
	for _, spec := range v.named() {
		if path, err := catalog.Resolve(spec.Path, supply.Dir()); err == nil {
			if st, err := os.Stat(path); err == nil {
				parts = append(parts, gpu.Part{Name: "voice " + spec.Name, Bytes: uint64(st.Size()) + speechArena})
			}
		}
	}
	return parts
}
