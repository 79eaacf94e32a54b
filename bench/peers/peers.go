package peers

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"repartee/bench"
	"repartee/supply"
)

// Params are the terms that all servers get.
type Params struct {
	ModelFile string // GGUF; empty = the default model
	VoiceFile string // ONNX; empty = the default voice
	Threads   int    // CPU threads
	Slots     int    // sequences at once
	Context   int    // KV cells shared by all slots, tokens
	Chat      bool   // a language model is wanted
	Speech    bool   // a voice is wanted
	// Args are added to the server's command line.
	Args []string
}

// Names are the servers that can be started by name.
var Names = []string{"repartee", "llama-server", "llama-server-split", "piper"}

// Known tells whether a server can be started by this name.
func Known(name string) bool { return slices.Contains(Names, name) }

// Launch says how to start a server by name, and builds or installs it first
// if need be; progress says so.
func Launch(ctx context.Context, name string, p Params, progress io.Writer) (bench.Launch, error) {
	var err error
	if p.Chat && p.ModelFile == "" {
		if p.ModelFile, err = supply.Find(supply.DefaultModel); err != nil {
			return bench.Launch{}, fmt.Errorf("peers: %s: %w", name, err)
		}
	}
	if p.Speech && p.VoiceFile == "" {
		if p.VoiceFile, err = supply.Find(supply.DefaultVoice); err != nil {
			return bench.Launch{}, fmt.Errorf("peers: %s: %w", name, err)
		}
	}
	switch name {
	case "repartee":
		return ownServer(p)
	case "llama-server", "llama-server-split":
		if !p.Chat {
			return bench.Launch{}, fmt.Errorf("peers: %s does not speak", name)
		}
		bin, err := LlamaServer(ctx, progress)
		if err != nil {
			return bench.Launch{}, err
		}
		return bench.Launch{Args: append(llamaArgs(bin, p, name == "llama-server"), p.Args...), Ready: "/health"}, nil
	case "piper":
		if !p.Speech || p.Chat {
			return bench.Launch{}, fmt.Errorf("peers: piper does nothing but speak")
		}
		return piperServer(ctx, p, progress)
	}
	return bench.Launch{}, fmt.Errorf("peers: %q is no server known by name; there are %s", name, strings.Join(Names, ", "))
}

// ownServer starts this very binary.
func ownServer(p Params) (bench.Launch, error) {
	exe, err := os.Executable()
	if err != nil {
		return bench.Launch{}, fmt.Errorf("peers: repartee: %w", err)
	}
	args := []string{exe, "serve", "--listen", "127.0.0.1:{port}"}
	if p.Chat {
		args = append(args, "--model", "bench="+p.ModelFile, "--ctx-size", strconv.Itoa(p.Context),
			"--parallel", strconv.Itoa(p.Slots), "--threads", strconv.Itoa(p.Threads))
	} else {
		args = append(args, "--model", "none")
	}
	if p.Speech {
		args = append(args, "--voice", "bench="+p.VoiceFile)
	} else {
		args = append(args, "--voice", "none")
	}
	return bench.Launch{Args: append(args, p.Args...), Ready: "/readyz"}, nil
}

// llamaArgs are llama-server's own defaults but for the equal terms. It has
// four slots over one shared buffer by default; naming a number of slots would
// split the buffer unless it is told not to.
func llamaArgs(bin string, p Params, unified bool) []string {
	args := []string{bin, "--model", p.ModelFile, "--threads", strconv.Itoa(p.Threads), "--ctx-size", strconv.Itoa(p.Context),
		"--parallel", strconv.Itoa(p.Slots), "--host", "127.0.0.1", "--port", "{port}", "--no-webui"}
	if unified {
		args = append(args, "--kv-unified")
	}
	return args
}
