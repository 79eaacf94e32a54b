package inference

import (
	"strings"
	"testing"

	"repartee/inference/llama"
)

func TestChooseKV(t *testing.T) {
	f := func(name string, cfg LoadConfig, info llama.ModelInfo, gpu, own bool, want, word string) {
		t.Helper()
		got := chooseKV(cfg, info, gpu, own)
		if got.String() != want || !strings.Contains(got.why, word) {
			t.Errorf("%s: chooseKV = %s (%s), want %s and %q", name, got, got.why, want, word)
		}
	}
	deterministic := LoadConfig{Config: Config{Deterministic: true}, KVType: "auto"}
	q4 := llama.ModelInfo{FileType: "Q4_1", Embedding: 576, Heads: 9}
	f("our attention", deterministic, q4, false, true, "f16/f16", "quickest")
	f("the library's", LoadConfig{KVType: "auto"}, q4, false, false, "f16/f16", "fastest")
	f("the library's, deterministic", deterministic, q4, false, false, "q8_0/f16", "one attention kernel")
	f("on a GPU", deterministic, q4, true, true, "f16/f16", "GPU")
	f("odd heads", deterministic, llama.ModelInfo{FileType: "Q4_0", Embedding: 80, Heads: 1}, false, false, "f16/f16", "80")
	mine := deterministic
	mine.KVType = "q8_0"
	f("as configured", mine, q4, false, true, "q8_0/q8_0", "configured")
}

func TestIndependence(t *testing.T) {
	f := func(name string, cfg LoadConfig, info llama.ModelInfo, kv kvChoice, gpu bool, ev evidence, want bool, word string) {
		t.Helper()
		if got, why := independence(cfg, info, kv, gpu, ev); got != want || !strings.Contains(why, word) {
			t.Errorf("%s: independence = %v (%s), want %v and %q", name, got, why, want, word)
		}
	}
	asked := LoadConfig{Config: Config{Deterministic: true}}
	info := llama.ModelInfo{FileType: "Q4_1"}
	f16, mixed := kvChoice{k: llama.KVF16, v: llama.KVF16}, kvChoice{k: llama.KVQ8, v: llama.KVF16}
	good := evidence{own: true, alike: true}
	f("all well", asked, info, f16, false, good, true, "Q4_1")
	f("nobody asked", LoadConfig{}, info, f16, false, good, false, "not asked")
	f("on a GPU", asked, info, f16, true, good, false, "GPU")
	f("the library's f16", asked, info, f16, false, evidence{alike: true}, false, "the library's attention over f16/f16")
	f("the library's q8_0/f16", asked, info, mixed, false, evidence{alike: true}, true, "in order")
	f("the library's windows", asked, llama.ModelInfo{SlidingWindow: 512}, mixed, false, evidence{alike: true}, false, "sliding")
	f("our windows", asked, llama.ModelInfo{SlidingWindow: 512}, f16, false, good, true, "in order")
	f("matrix kernels", asked, llama.ModelInfo{FileType: "F16"}, f16, false, evidence{own: true, rows: 8}, false, "8 rows")
}
