package llama

import (
	"fmt"
	"os"
)

// tinyLayers are the layers that tests put on a GPU: all, where a module for one
// is given.
var tinyLayers int

// A modular build computes with what $REPARTEE_MODULES and $REPARTEE_CUDA_MODULE
// name; "repartee bench gpu" runs these tests so.
func init() {
	extra := os.Getenv("REPARTEE_CUDA_MODULE")
	if !Modular || os.Getenv("REPARTEE_MODULES") == "" {
		return
	}
	if err := UseModules(os.Getenv("REPARTEE_MODULES"), extra); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if extra != "" {
		tinyLayers = -1
	}
}
