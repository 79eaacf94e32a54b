package inference

import (
	"fmt"
	"slices"
	"strings"

	"repartee/inference/llama"
)

// KVTypes takes a --kv-type value apart. Both types are empty for auto, which
// Load decides when it knows the model and the device.
func KVTypes(s string) (k, v llama.KVType, err error) {
	if s == "" || s == "auto" {
		return "", "", nil
	}
	ks, vs, split := strings.Cut(s, "/")
	if !split {
		vs = ks
	}
	for _, t := range []string{ks, vs} {
		switch llama.KVType(t) {
		case llama.KVF16, llama.KVBF16, llama.KVQ8, llama.KVQ4:
		default:
			return "", "", fmt.Errorf("inference: KV type %q: want auto, f16, bf16, q8_0, q4_0, or two of them as K/V", t)
		}
	}
	return llama.KVType(ks), llama.KVType(vs), nil
}

// kvChoice is the types of a KV cache with the reason.
type kvChoice struct {
	k, v llama.KVType
	why  string
}

func (c kvChoice) String() string { return string(c.k) + "/" + string(c.v) }

// chooseKV decides the cache types. With our own attention on a CPU f16 is the
// quickest, and the most exact. The library's attention has three kernels for f16
// keys and picks one by the rows and the cells in use, so sums change with the
// company; with K and V of different types there is one, which goes cell by cell in
// the order of the buffer.
func chooseKV(cfg LoadConfig, info llama.ModelInfo, gpu, own bool) kvChoice {
	var c kvChoice
	c.k, c.v, _ = KVTypes(cfg.KVType) // checked by Load
	head := 0
	if info.Heads > 0 {
		head = info.Embedding / info.Heads
	}
	switch {
	case c.k != "":
		c.why = "as configured"
	case gpu:
		c.k, c.v, c.why = llama.KVF16, llama.KVF16, "the GPU computes the attention of mixed types slowly"
	case own:
		c.k, c.v, c.why = llama.KVF16, llama.KVF16, "the quickest and the most exact"
	case !cfg.Deterministic:
		c.k, c.v, c.why = llama.KVF16, llama.KVF16, "the fastest to read prompts with"
	case head%32 != 0:
		c.k, c.v, c.why = llama.KVF16, llama.KVF16, fmt.Sprintf("q8_0 keys want heads of a multiple of 32, these have %d", head)
	default:
		c.k, c.v, c.why = llama.KVQ8, llama.KVF16, "one attention kernel for any number of rows"
	}
	return c
}

// evidence is what warming up has shown of the kernels.
type evidence struct {
	own   bool // attention was computed by our kernel alone
	alike bool // a row gave the same logits whatever was computed beside it
	rows  int  // not alike: in a step of this many rows it did not
}

// independence tells whether answers do not depend on who else is served, and why.
func independence(cfg LoadConfig, info llama.ModelInfo, kv kvChoice, gpu bool, ev evidence) (bool, string) {
	switch {
	case !cfg.Deterministic:
		return false, "not asked for"
	case gpu:
		return false, "kernels on a GPU depend on the number of rows"
	case !ev.own && kv.k == kv.v && (kv.k == llama.KVF16 || kv.k == llama.KVBF16):
		return false, "the library's attention over " + kv.String() + " depends on the number of rows and the cells in use; q8_0/f16 does not"
	case !ev.own && info.SlidingWindow > 0:
		return false, "not proven for models with sliding windows"
	case !ev.alike:
		return false, fmt.Sprintf("the matrix kernels for %s weights gave a row other bits in a step of %d rows than alone", info.FileType, ev.rows)
	}
	return true, "cells stay in order, and the kernels for " + info.FileType + " weights and " + kv.String() + " gave a row the same bits in every company tried"
}

// usesGPU tells whether any layer will be computed by a GPU.
func usesGPU(cfg LoadConfig) bool {
	return cfg.GPULayers != 0 && slices.ContainsFunc(llama.Devices(), func(d llama.DeviceInfo) bool { return d.Kind == "gpu" || d.Kind == "igpu" })
}
