//go:build unix

package tier

import "syscall"

// mapMemory returns n zero bytes that the collector knows nothing of.
func mapMemory(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic("tier: mapping memory: " + err.Error())
	}
	return b
}

func unmapMemory(b []byte) {
	if err := syscall.Munmap(b); err != nil {
		panic("tier: unmapping memory: " + err.Error()) // somebody else's memory would be next
	}
}
