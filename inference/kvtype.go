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

// kvChoice is the types of a KV cache with the reasons.
type kvChoice struct {
	k, v llama.KVType
	why  string
	// steady says that answers do not depend on who else is served, as far as
	// that was measured; steadyWhy gives the reason for or against.
	steady    bool
	steadyWhy string
}

func (c kvChoice) String() string { return string(c.k) + "/" + string(c.v) }

// steadyWeights are the weight types whose matrix kernels on a CPU give a row the
// same bits however many rows are computed with it.
var steadyWeights = []string{"Q4_0", "Q4_1", "Q8_0"}

// chooseKV decides the cache types. On a CPU attention has three kernels for f16
// keys and picks one by the rows and the cells in use, so sums change with the
// company; with K and V of different types there is one, which goes cell by cell
// in the order of the buffer. With q8_0 keys that one is also the faster to
// decode with, and the slower to read long prompts with.
func chooseKV(cfg LoadConfig, info llama.ModelInfo, gpu bool) kvChoice {
	var c kvChoice
	c.k, c.v, _ = KVTypes(cfg.KVType) // checked by Load
	head := 0
	if info.Heads > 0 {
		head = info.Embedding / info.Heads
	}
	switch {
	case c.k != "":
		c.why = "as configured"
	case !cfg.Deterministic:
		c.k, c.v, c.why = llama.KVF16, llama.KVF16, "the fastest to read prompts with"
	case gpu:
		c.k, c.v, c.why = llama.KVF16, llama.KVF16, "the GPU computes the attention of mixed types slowly"
	case head%32 != 0:
		c.k, c.v, c.why = llama.KVF16, llama.KVF16, fmt.Sprintf("q8_0 keys want heads of a multiple of 32, these have %d", head)
	default:
		c.k, c.v, c.why = llama.KVQ8, llama.KVF16, "one attention kernel for any number of rows"
	}
	weights, _, _ := strings.Cut(info.FileType, " ")
	switch {
	case !cfg.Deterministic:
		c.steadyWhy = "not asked for"
	case gpu:
		c.steadyWhy = "kernels on a GPU depend on the number of rows"
	case c.k == c.v && (c.k == llama.KVF16 || c.k == llama.KVBF16):
		c.steadyWhy = "attention over " + c.String() + " depends on the number of rows and the cells in use; q8_0/f16 does not"
	case info.SlidingWindow > 0:
		c.steadyWhy = "not proven for models with sliding windows"
	case !slices.Contains(steadyWeights, weights):
		c.steadyWhy = fmt.Sprintf("matrix kernels for %s weights depend on the number of rows; %s do not", info.FileType, strings.Join(steadyWeights, ", "))
	default:
		c.steady, c.steadyWhy = true, "cells stay in order, and the kernels for "+weights+" weights and "+c.String()+" do not depend on the number of rows"
	}
	return c
}

// usesGPU tells whether any layer will be computed by a GPU.
func usesGPU(cfg LoadConfig) bool {
	return cfg.GPULayers != 0 && slices.ContainsFunc(llama.Devices(), func(d llama.DeviceInfo) bool { return d.Kind == "gpu" || d.Kind == "igpu" })
}
