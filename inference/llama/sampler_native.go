//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"
)

// Sampler chooses one sequence's tokens: its parameters, its random numbers, the
// state of its grammar and the history its penalties look at. It is used by one
// goroutine at a time, the one that steps the context.
type Sampler struct {
	c        *C.rp_sampler
	logprobs int
	grammar  bool
}

// NewSampler makes a sampler. The parameters are checked: NaN, infinities,
// tokens outside the vocabulary and the like are an error that wraps
// ErrArgument. A Grammar is cloned cheaply, its state is the sampler's own.
func (m *Model) NewSampler(p SamplingParams) (*Sampler, error) { return m.newSampler(p, false) }

// newSampler with reference set makes one that asks llama.cpp's own sampler, for
// tests.
func (m *Model) newSampler(p SamplingParams, reference bool) (*Sampler, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	p = p.normal()
	cp := C.rp_sampling_params{
		temperature:       C.float(p.Temperature),
		top_k:             C.int32_t(p.TopK),
		top_p:             C.float(p.TopP),
		min_p:             C.float(p.MinP),
		typical_p:         C.float(p.TypicalP),
		repeat_penalty:    C.float(p.RepeatPenalty),
		frequency_penalty: C.float(p.FrequencyPenalty),
		presence_penalty:  C.float(p.PresencePenalty),
		penalty_last_n:    C.int32_t(p.PenaltyLastN),
		logprobs:          C.int32_t(p.Logprobs),
		seed:              C.uint32_t(p.Seed),
		ignore_eog:        C.bool(p.IgnoreEOG),
		reference:         C.bool(reference),
		n_bias:            C.int32_t(len(p.Bias)),
	}
	tokens, values := make([]Token, len(p.Bias)), make([]float32, len(p.Bias))
	for i, b := range p.Bias {
		tokens[i], values[i] = b.Token, b.Bias
	}
	s := &Sampler{logprobs: p.Logprobs, grammar: p.Grammar != nil}
	err := m.native.use(func(c *C.rp_model) error {
		var g *C.rp_grammar
		if p.Grammar != nil {
			p.Grammar.mu.RLock()
			defer p.Grammar.mu.RUnlock()
			if g = p.Grammar.c; g == nil {
				return fmt.Errorf("%w: the grammar is closed", ErrArgument)
			}
		}
		var msg message
		code := C.rp_sampler_new(c, &cp, (*C.int32_t)(unsafe.SliceData(tokens)), (*C.float)(unsafe.SliceData(values)), g, &s.c, msg.ptr(), msg.size())
		return failure(code, ErrArgument, "making a sampler", &msg)
	})
	if err != nil {
		return nil, err
	}
	runtime.SetFinalizer(s, (*Sampler).Close)
	return s, nil
}

// Accept takes tokens of the prompt into the history that the penalties look at.
// Step does this itself for the tokens it produces. The grammar does not see
// the prompt.
func (s *Sampler) Accept(prompt ...Token) error {
	if s.c == nil {
		return fmt.Errorf("%w: the sampler is closed", ErrArgument)
	}
	var msg message
	code := C.rp_sampler_accept(s.c, (*C.int32_t)(unsafe.SliceData(prompt)), C.int32_t(len(prompt)), msg.ptr(), msg.size())
	return failure(code, ErrArgument, "accepting prompt tokens", &msg)
}

// askAll makes the grammar be asked about every token, in tests.
func (s *Sampler) askAll() { C.rp_sampler_ask_all(s.c) }

// Close frees the sampler; it must not be in a Step.
func (s *Sampler) Close() {
	if s.c != nil {
		C.rp_sampler_free(s.c)
		s.c = nil
		runtime.SetFinalizer(s, nil)
	}
}
