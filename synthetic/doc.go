// Package synthetic makes language models with random weights in the shape of
// real ones: the tensors, types, sizes and the vocabulary of Phi-3-mini, Llama
// 3.1 8B and Qwen2.5 1.5B. They say nothing, but load, fill memory and compute
// as the real ones do, so that all of that can be measured where nothing can be
// downloaded. A thinned copy has fewer layers and is otherwise the same.
package synthetic
