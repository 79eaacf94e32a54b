package cmd

import (
	"bytes"
	"os"
	"strings"
)

// Where the kernel gives huge pages on request, and the variable by which the C
// library requests them for everything it allocates. It reads that once, when a
// process begins.
const (
	hugePagesFile = "/sys/kernel/mm/transparent_hugepage/enabled"
	tunables      = "GLIBC_TUNABLES"
	tunable       = "glibc.malloc.hugetlb"
)

// computing are the commands that hold a model or a voice.
var computing = []string{"serve", "say", "chat"}

// wantsHugePages returns the value of tunables that asks for huge pages, "" where
// nothing is to be asked for: they come by themselves or never, or somebody has
// decided.
func wantsHugePages(enabled []byte, set string) string {
	if !bytes.Contains(enabled, []byte("[madvise]")) || strings.Contains(set, tunable) {
		return ""
	}
	if set != "" {
		set += ":"
	}
	return set + tunable + "=1"
}

// useHugePages starts the program again in the place of this process with huge
// pages for weights, caches and activations, of which every step reads all: see
// docs/performance.md for the gain. It returns where that is not wanted or fails;
// everything works without.
func useHugePages() {
	enabled, err := os.ReadFile(hugePagesFile)
	if err != nil {
		return
	}
	value := wantsHugePages(enabled, os.Getenv(tunables))
	if value == "" || os.Unsetenv(tunables) != nil { // of two, the C library reads the first
		return
	}
	_ = replace(tunables + "=" + value)
}

// hugePagesText says what doctor should about them.
func hugePagesText() string {
	enabled, err := os.ReadFile(hugePagesFile)
	switch {
	case err != nil:
		return "the kernel has none"
	case bytes.Contains(enabled, []byte("[always]")):
		return "given by the kernel to everybody"
	case bytes.Contains(enabled, []byte("[madvise]")):
		return "given on request, which serve, say and chat make (" + tunables + "=" + tunable + "=0 keeps them from it)"
	}
	return "turned off: " + hugePagesFile
}
