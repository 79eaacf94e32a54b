package peers

import (
	"context"
	_ "embed" // the speech peer's server
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"repartee/bench"
	"repartee/supply"
)

// piperPins are what the speech peer is installed from.
var piperPins = []string{"piper-tts==1.8.0", "onnxruntime==1.31.1"}

//go:embed piper_server.py
var piperScript []byte

// piperServer starts the Piper package of Python behind a small server that
// says its synthesis time in Server-Timing, as repartee does.
func piperServer(ctx context.Context, p Params, progress io.Writer) (bench.Launch, error) {
	home := filepath.Join(supply.Dir(), "peers", "piper-1.8.0")
	python := filepath.Join(home, "bin", "python")
	release, err := lock(home)
	if err != nil {
		return bench.Launch{}, err
	}
	defer release()
	if !done(home) {
		fmt.Fprintf(progress, "peers: installing %v for Python (once) -> %s\n", piperPins, home)
		log := filepath.Join(home, "install.log")
		for _, step := range [][]string{
			{"python3", "-m", "venv", home},
			append([]string{python, "-m", "pip", "install", "--disable-pip-version-check"}, piperPins...),
		} {
			if err := runLogged(ctx, log, step); err != nil {
				return bench.Launch{}, fmt.Errorf("peers: installing piper: %w", err)
			}
		}
		if err := finish(home); err != nil {
			return bench.Launch{}, fmt.Errorf("peers: installing piper: %w", err)
		}
	}
	script := filepath.Join(home, "piper_server.py")
	if err := os.WriteFile(script, piperScript, 0o644); err != nil {
		return bench.Launch{}, fmt.Errorf("peers: piper: %w", err)
	}
	args := []string{python, script, "--voice", p.VoiceFile, "--port", "{port}", "--threads", strconv.Itoa(p.Threads)}
	return bench.Launch{Args: append(args, p.Args...), Ready: "/health"}, nil
}
