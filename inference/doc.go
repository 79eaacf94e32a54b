// Package inference keeps language models resident and generates for many
// requests at once.
//
// An Engine is one model with one context and one scheduler goroutine, which
// alone touches the context. A step of its loop is four lines: plan (decode
// rows first, then as much prefill as the step budget leaves room for), decode
// and sample in one call, deliver. Requests join and leave between steps; what
// they computed stays in the prefix tree of package kvcache for the next ones.
//
// The package knows nothing of HTTP, of speech or of C: the model is an
// interface, which the tests fill with a hash chain whose next token depends
// on everything attended to.
package inference
