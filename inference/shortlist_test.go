package inference

import (
	"errors"
	"testing"

	"repartee/inference/llama"
)

// TestSamplingOnTheDeviceChangesNoAnswer serves the same requests by both ways,
// with guesses, and looks where the tokens came from.
func TestSamplingOnTheDeviceChangesNoAnswer(t *testing.T) {
	answers := func(where GPUSampling) ([]string, StepParts) {
		t.Helper()
		e, err := Load(LoadConfig{
			Config: Config{Name: string(where), Cells: 2048, Parallel: 4, Deterministic: true}, Path: realModel(t), KVType: "auto", Threads: 1, GPUSampling: where,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		schema, err := e.CompileGrammar(llama.GrammarSpec{Schema: `{"type":"object","properties":{"name":{"type":"string","maxLength":8},"age":{"type":"integer","maximum":99}},"required":["name","age"]}`})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for i, ask := range []string{
			"Repeat this twice: The harbour has two stone piers, each 310 metres long.", "Tell me about foxes.", "Tell me about foxes.", "Name a colour.", "Write a person as JSON.",
		} {
			prompt, err := e.Tokenize("<|im_start|>user\n"+ask+"<|im_end|>\n<|im_start|>assistant\n", false, true)
			if err != nil {
				t.Fatal(err)
			}
			r := &Request{Prompt: prompt, MaxTokens: 32, Sampling: llama.SamplingParams{Logprobs: -1, TopP: 1}}
			switch i {
			case 1:
				r.Sampling.Temperature, r.Sampling.TopK, r.Sampling.TopP, r.Sampling.MinP, r.Sampling.Seed = 0.7, 40, 0.95, 0.05, 9
			case 2:
				r.Sampling.RepeatPenalty, r.Sampling.FrequencyPenalty = 1.1, 0.1
			case 3:
				r.Sampling.Logprobs = 2
			case 4:
				r.Sampling.Grammar = schema
			}
			s, err := e.Submit(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			text, _, err := collect(s)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
		return out, e.Stats().Parts
	}
	want, host := answers(SampleOnHost)
	got, device := answers(SampleOnDevice)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("answer %d is %q, with all logits on the host %q", i, got[i], want[i])
		}
	}
	if host.Listed != 0 || host.Whole != 0 || device.Listed < 60 || device.Whole < 2 {
		t.Errorf("%d tokens from lists and %d rows copied on the device, %d and %d on the host; want both there and none here", device.Listed, device.Whole, host.Listed, host.Whole)
	}
}

// TestWhereTokensAreFound without a GPU: nothing is tried.
func TestWhereTokensAreFound(t *testing.T) {
	f := func(where GPUSampling, want bool) {
		t.Helper()
		got, why, err := LoadConfig{GPUSampling: where}.shortlists(nil, false)
		if got != want || why == "" || err != nil {
			t.Errorf("shortlists with %q = %v, %q, %v; want %v and a reason", where, got, why, err, want)
		}
	}
	f("", false)
	f(SampleAuto, false)
	f(SampleOnHost, false)
	f(SampleOnDevice, true)
	if _, _, err := (LoadConfig{GPUSampling: SampleOnDevice, Config: Config{Parallel: 0}}).shortlists(&llama.Model{}, true); !errors.Is(err, llama.ErrUnsupported) {
		t.Errorf("shortlists that a GPU cannot make = %v, want ErrUnsupported", err)
	}
}
