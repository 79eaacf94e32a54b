package inference

import (
	"time"

	"repartee/inference/llama"
)

// Token is an id in a model's vocabulary.
type Token = llama.Token

// Priority orders requests that wait for the same engine.
type Priority int

// Interactive requests go before batch ones; waiting batch requests age.
const (
	Interactive Priority = iota
	Batch
)

// Speculation says whether an engine may draft tokens for a request.
type Speculation int

// The values of Speculation.
const (
	SpeculateAuto Speculation = iota
	SpeculateOff
	SpeculateNgram
	SpeculateDraft
)

// cacheSpace is what requests that may share prefixes and answers have in common.
func cacheSpace(namespace, salt string) string {
	if salt == "" {
		return namespace
	}
	return namespace + "\x00" + salt // no namespace has a zero byte
}

// Request is one generation. The engine owns it, slices included, from Submit
// on: the caller must not touch it again.
type Request struct {
	ID     string  // for the log; may be empty
	Prompt []Token // at least one token, shorter than the context
	// MaxTokens bounds the answer; ≤ 0 = until the context is full. With Shift it is
	// bounded by ten contexts in any case.
	MaxTokens int
	Sampling  llama.SamplingParams
	// Stop are strings that end the answer and are not part of it.
	Stop []string
	// KeepSpecial leaves control tokens in the text.
	KeepSpecial bool
	Priority    Priority
	// Namespace keeps tenants apart: prefixes are shared only inside one.
	Namespace string
	// CacheSalt keeps what one tenant's requests share apart once more: prefixes and
	// earlier answers serve only requests with the same salt.
	CacheSalt string
	// Weight is the namespace's share beside the others', 0 = 1.
	Weight float64
	// Deadline is when the first token is of no use any more; zero = none.
	Deadline   time.Time
	Speculate  Speculation
	DraftMax   int     // most drafted tokens a step, 0 = the engine's choice
	Prediction []Token // the client's guess of the answer, used as a draft
	// Shift lets the answer outgrow the context; nil = it ends there.
	Shift *ContextShift
	// Truncated is how many tokens were dropped so that the prompt fits.
	Truncated int
}

// FinishReason says why a generation ended.
type FinishReason string

// The values of FinishReason, as the wire formats name them.
const (
	FinishStop      FinishReason = "stop"      // end of generation or a stop string
	FinishLength    FinishReason = "length"    // MaxTokens or the context is used up, and must not shift
	FinishCancelled FinishReason = "cancelled" // the request's context ended
	FinishError     FinishReason = "error"
)

// Chunk is what a stream hands out at a time: the text made since the last
// chunk. Text never ends inside a UTF-8 character and never holds a part of a
// stop string. Tokens is filled only when log-probabilities were asked for.
type Chunk struct {
	Text   string
	Tokens []TokenInfo
}

// TokenInfo is a generated token with its log-probability.
type TokenInfo struct {
	Token   Token
	Text    string // the token's own bytes, which need not be valid UTF-8
	Logprob float32
	Top     []TokenAlternative
}

// TokenAlternative is one of the most likely tokens at a place.
type TokenAlternative struct {
	Token   Token
	Text    string
	Logprob float32
}

// Timings of one request, wall time.
type Timings struct {
	Queue      time.Duration // submitted → first row in a step
	Prefill    time.Duration // first row in a step → first token sampled
	FirstToken time.Duration // submitted → first token sampled
	Total      time.Duration // submitted → last token
	Drafted    int           // tokens proposed by a drafter
	Accepted   int           // of those, kept
}

// Result is the end of a generation.
type Result struct {
	Finish           FinishReason
	StopString       string // the stop string that was met, if one was
	PromptTokens     int    // as they were read first, those that Truncate dropped not counted
	CachedTokens     int    // of the prompt, taken over from the KV cache
	CompletionTokens int
	// Shifts is how often tokens were dropped to make room, of the prompt at its
	// beginning included, and ShiftedTokens how many.
	Shifts, ShiftedTokens int
	Timings               Timings
}
