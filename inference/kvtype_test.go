package inference

import (
	"strings"
	"testing"

	"repartee/inference/llama"
)

func TestChooseKV(t *testing.T) {
	f := func(name string, cfg LoadConfig, info llama.ModelInfo, gpu bool, want string, steady bool, word string) {
		t.Helper()
		got := chooseKV(cfg, info, gpu)
		if got.String() != want || got.steady != steady || !strings.Contains(got.why+" / "+got.steadyWhy, word) {
			t.Errorf("%s: chooseKV = %s, steady %v (%s / %s), want %s, %v and %q", name, got, got.steady, got.why, got.steadyWhy, want, steady, word)
		}
	}
	deterministic := LoadConfig{Config: Config{Deterministic: true}, KVType: "auto"}
	q4 := llama.ModelInfo{FileType: "Q4_1", Embedding: 576, Heads: 9}
	f("auto", LoadConfig{KVType: "auto"}, q4, false, "f16/f16", false, "not asked for")
	f("deterministic", deterministic, q4, false, "q8_0/f16", true, "in order")
	f("on a GPU", deterministic, q4, true, "f16/f16", false, "GPU")
	f("odd heads", deterministic, llama.ModelInfo{FileType: "Q4_0", Embedding: 80, Heads: 1}, false, "f16/f16", false, "80")
	f("F16 weights", deterministic, llama.ModelInfo{FileType: "F16", Embedding: 64, Heads: 1}, false, "q8_0/f16", false, "F16")
	f("K-quants", deterministic, llama.ModelInfo{FileType: "Q4_K - Medium", Embedding: 64, Heads: 1}, false, "q8_0/f16", false, "Q4_K - Medium")
	f("sliding windows", deterministic, llama.ModelInfo{FileType: "Q8_0", Embedding: 64, Heads: 1, SlidingWindow: 512}, false, "q8_0/f16", false, "sliding")
	mine := deterministic
	mine.KVType = "f16"
	f("f16 as configured", mine, q4, false, "f16/f16", false, "configured")
	mine.KVType = "q8_0"
	f("q8_0 as configured", mine, q4, false, "q8_0/q8_0", true, "configured")
}
