//go:build cgo

package llama

// #include "shim.h"
import "C"

// Attentions counts the attentions that the process has computed on the processor:
// by the kernel of OwnAttention, and by the library's for models that ours does not
// know (ALiBi, soft caps, sinks, heads that are no multiple of 32 or wider than
// 256). Any goroutine may call it.
func Attentions() (own, library int64) {
	return int64(C.rp_attention(true)), int64(C.rp_attention(false))
}
