package openai

import (
	"repartee/dialogue"
	"repartee/inference"
	"repartee/server/web"
)

// samplingBody is what chats and text completions have in common on the wire.
type samplingBody struct {
	Model            string             `json:"model"`
	Stream           bool               `json:"stream"`
	StreamOptions    *streamOptions     `json:"stream_options"`
	MaxTokens        *int               `json:"max_tokens"`
	N                *int               `json:"n"`
	Temperature      *float64           `json:"temperature"`
	TopP             *float64           `json:"top_p"`
	TopK             *int               `json:"top_k"`
	MinP             *float64           `json:"min_p"`
	FrequencyPenalty *float64           `json:"frequency_penalty"`
	PresencePenalty  *float64           `json:"presence_penalty"`
	RepeatPenalty    *float64           `json:"repeat_penalty"`
	Seed             *int64             `json:"seed"`
	Stop             Strings            `json:"stop"`
	LogitBias        map[string]float64 `json:"logit_bias"`
	Priority         string             `json:"priority"`
	IgnoreEOS        bool               `json:"ignore_eos"`
	Speculate        string             `json:"speculate"`
	DraftMax         *int               `json:"draft_max"`
	CacheSalt        string             `json:"cache_salt"`
	ContextShift     *bool              `json:"context_shift"`
	ContextKeep      *int               `json:"context_keep"`
	User             string             `json:"user"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// turn validates the body and translates it to a turn that is to be run so many
// times.
func (b *samplingBody) turn(r *web.Request, model func(name string) (dialogue.Engine, error)) (dialogue.Turn, int, error) {
	t := dialogue.Turn{
		Model: b.Model, Stop: b.Stop, Namespace: r.Namespace, Weight: r.Weight, RequestID: r.ID, IgnoreEOG: b.IgnoreEOS,
		Sampling: dialogue.Sampling{
			Temperature: b.Temperature, TopP: b.TopP, TopK: b.TopK, MinP: b.MinP, Seed: b.Seed, Logprobs: -1,
			FrequencyPenalty: b.FrequencyPenalty, PresencePenalty: b.PresencePenalty, RepeatPenalty: b.RepeatPenalty,
		},
	}
	engine, err := model(b.Model)
	if err != nil {
		return t, 0, err
	}
	if err := CheckSampling(t.Sampling); err != nil {
		return t, 0, err
	}
	if err := CheckStop(b.Stop); err != nil {
		return t, 0, err
	}
	if b.MaxTokens != nil {
		if *b.MaxTokens < 0 {
			return t, 0, web.Bad("max_tokens", "max_tokens: want 0 (the default) or more")
		}
		t.MaxTokens = *b.MaxTokens
	}
	n := 1
	if b.N != nil {
		if n = *b.N; n < 1 || n > maxChoices {
			return t, 0, web.Bad("n", "n: want 1 … %d", maxChoices)
		}
	}
	if b.Priority == "batch" {
		t.Priority = inference.Batch
	}
	if err = Speculation(&t, b.Speculate, b.DraftMax); err != nil {
		return t, 0, err
	}
	if err = CacheSalt(&t, b.CacheSalt); err != nil {
		return t, 0, err
	}
	if err = ContextShift(&t, b.ContextShift, b.ContextKeep); err != nil {
		return t, 0, err
	}
	if t.Sampling.Bias, err = bias(b.LogitBias, engine.Info().VocabSize); err != nil {
		return t, 0, err
	}
	return t, n, nil
}

// ContextShift reads the fields context_shift and context_keep; what is too much to
// keep depends on the model.
func ContextShift(t *dialogue.Turn, on *bool, keep *int) error {
	if keep != nil && *keep < -1 {
		return web.Bad("context_keep", "context_keep: %d is out of range, want 0 or more tokens, or -1 for the whole prompt", *keep)
	}
	t.ContextShift, t.ContextKeep = on, keep
	return nil
}

// maxSalt bounds cache_salt.
const maxSalt = 256

// CacheSalt reads the field cache_salt, as vLLM has it.
func CacheSalt(t *dialogue.Turn, salt string) error {
	if len(salt) > maxSalt {
		return web.Bad("cache_salt", "cache_salt: %d bytes are too many, want at most %d", len(salt), maxSalt)
	}
	t.CacheSalt = salt
	return nil
}

// maxDraft bounds draft_max; engines have their own, lower bounds.
const maxDraft = 1024

// Speculation reads the fields speculate and draft_max.
func Speculation(t *dialogue.Turn, mode string, most *int) error {
	switch mode {
	case "", "auto":
	case "off":
		t.Speculate = inference.SpeculateOff
	case "ngram":
		t.Speculate = inference.SpeculateNgram
	case "draft":
		t.Speculate = inference.SpeculateDraft
	default:
		return web.Bad("speculate", `speculate: %q is none of "auto", "off", "ngram", "draft"`, mode)
	}
	if most == nil {
		return nil
	}
	if *most < 0 || *most > maxDraft {
		return web.Bad("draft_max", "draft_max: %d is out of range, want 0 … %d", *most, maxDraft)
	}
	if t.DraftMax = *most; *most == 0 {
		t.Speculate = inference.SpeculateOff
	}
	return nil
}
