package cmd

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"repartee/inference/llama"
)

// Version is set by the linker; see the Makefile.
var Version = "0.1.0-dev"

// onnxRuntimeVersion is the pinned version of the runtime that is loaded.
const onnxRuntimeVersion = "1.31.1"

type versionCmd struct{}

// Run prints the versions.
func (versionCmd) Run(con *console) error {
	fmt.Fprintf(con.out, "repartee %s%s\n", Version, revision())
	fmt.Fprintf(con.out, "llama.cpp %s\n", llama.Version())
	fmt.Fprintf(con.out, "ONNX Runtime %s\n", onnxRuntimeVersion)
	fmt.Fprintf(con.out, "backends %s\n", backends())
	fmt.Fprintf(con.out, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}

// revision is the commit that the binary was built from, where Go knows it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " (" + s.Value[:12] + ")"
		}
	}
	return ""
}

// backends names the compute devices that llama.cpp was built for and sees.
func backends() string {
	text := ""
	for _, d := range llama.Devices() {
		if text != "" {
			text += ", "
		}
		text += d.Name + " (" + d.Kind + ")"
	}
	if text == "" {
		return "none"
	}
	return text
}
