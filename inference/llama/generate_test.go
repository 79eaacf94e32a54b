package llama

import (
	"slices"
	"strings"
	"testing"
)

func TestModelInfo(t *testing.T) {
	m := defaultModel(t)
	i := m.Info()
	if i.Architecture != "llama" || i.VocabSize != 49152 || i.Layers != 30 || i.ContextTrain != 8192 || !strings.Contains(i.FileType, "Q4_1") {
		t.Errorf("Info() = %+v, want SmolLM2 135M in Q4_1", i)
	}
	if !slices.Contains(i.EOG, i.EOS) || !m.IsEOG(i.EOS) || m.IsEOG(i.EOG[0]-1000000) {
		t.Errorf("EOG = %v with EOS %d, want EOS among them", i.EOG, i.EOS)
	}
	if !strings.Contains(i.ChatTemplate, "<|im_start|>") {
		t.Errorf("ChatTemplate = %q, want ChatML", i.ChatTemplate)
	}
	if m.Meta()["general.architecture"] != "llama" {
		t.Errorf("Meta()[general.architecture] = %q, want llama", m.Meta()["general.architecture"])
	}
}

func TestGreedyAnswerIsSensible(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{})
	out := generate(t, c, newSampler(t, m, SamplingParams{}), 0, prompt(t, m, "What is the capital of France? Answer in one word."), 512, 32)
	if got := text(m, out); !strings.Contains(got, "Paris") {
		t.Errorf("greedy answer = %q, want Paris in it", got)
	}
}
