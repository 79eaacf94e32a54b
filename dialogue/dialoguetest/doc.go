// Package dialoguetest is a language model for tests: the real engine over a
// model that answers by rule, so that what stands above the engine is tested
// with real queues, streams, caches and cancels, without a weight.
//
// Its vocabulary is bytes; token 0 ends an answer. Its answer is a function of
// the prompt, which it reads out of the cells it was given.
package dialoguetest
