// Package kvtypes measures what types of the KV cache cost and what they lose: how
// far a model's thoughts on a text move from those over f16, how much memory a
// token takes, and how quickly prompts are read and tokens generated. It asks the
// binding, not a server, so that every token of the text counts.
package kvtypes
