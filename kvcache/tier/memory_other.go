//go:build !unix

package tier

func mapMemory(n int) []byte { return make([]byte, n) }
func unmapMemory([]byte)     {}
