package cmd

import (
	"strconv"

	"repartee/catalog"
	"repartee/dialogue"
	"repartee/inference"
)

// newDialogue makes the service over resident models, each sampled as its file
// or its authors recommend where a request leaves it open.
func newDialogue(set *inference.Set, m *modelFlags) *dialogue.Service {
	s := dialogue.New(models{set})
	s.SetContextShift(m.ContextShift)
	for _, name := range set.Names() {
		if e, ok := set.Get(name); ok {
			s.SetDefaults(name, sampling(e))
		}
	}
	return s
}

// sampling reads a model's own recommendation: the metadata of its file
// ("general.sampling.*" of the GGUF format), then the catalogue.
func sampling(e *inference.Engine) dialogue.Sampling {
	var d dialogue.Sampling
	meta := e.Meta()
	number := func(key string, low, high float64) *float64 {
		v, err := strconv.ParseFloat(meta["general.sampling."+key], 64)
		if err != nil || !(v >= low && v <= high) {
			return nil
		}
		return &v
	}
	d.Temperature, d.TopP, d.MinP = number("temp", 0, 2), number("top_p", 0, 1), number("min_p", 0, 1)
	d.RepeatPenalty = number("penalty_repeat", 0.1, 10)
	if k := number("top_k", 0, 1e6); k != nil {
		n := int(*k)
		d.TopK = &n
	}
	if entry, ok := catalog.ByFile(e.Info().Path); ok && entry.Sampling != nil && d.Temperature == nil && d.TopP == nil && d.TopK == nil {
		known := func(v float64) *float64 {
			if v == 0 {
				return nil
			}
			return &v
		}
		r := entry.Sampling
		d.Temperature, d.TopP, d.RepeatPenalty = known(r.Temperature), known(r.TopP), known(r.RepeatPenalty)
		if r.TopK > 0 {
			d.TopK = &r.TopK
		}
	}
	return d
}
