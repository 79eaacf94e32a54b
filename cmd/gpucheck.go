package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"repartee/bench/gpucheck"
)

// benchGPU is "repartee bench gpu", which "make gpu-check" runs.
type benchGPU struct {
	Out   string        `env:"-" help:"Folder for gpu-check.md and gpu-check.json." default:"." placeholder:"DIR" type:"path"`
	Have  string        `env:"-" help:"Folder with larger optional parts: voices (*.onnx), onnxruntime-gpu/." placeholder:"DIR" type:"path"`
	Work  string        `env:"-" help:"Folder for the models that are made; what lies there is used again." placeholder:"DIR" type:"path"`
	Dry   bool          `env:"-" help:"The stand-in GPU and thinned models: checks the check, judges no figure."`
	Limit time.Duration `env:"-" help:"Longest time for all of it." default:"8m30s" placeholder:"D"`
	Only  []string      `env:"-" help:"Steps to run, e.g. chat,plan. Default: all." placeholder:"STEP"`
}

// Run runs the check and writes its report; the exit code is 1 when something
// failed or fell short of its target.
func (c *benchGPU) Run(ctx context.Context, con *console) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cfg := gpucheck.Default(program)
	cfg.Have, cfg.Dry, cfg.Limit, cfg.Log, cfg.Only = c.Have, c.Dry, c.Limit, con.err, c.Only
	if c.Work != "" {
		cfg.Work = c.Work
	}
	if c.Dry != (cfg.Driver != "") {
		return usagef("--dry is for the stand-in (third_party/cuda.sh standin) and for it alone; this program is %s", program)
	}
	report, err := gpucheck.Run(ctx, cfg)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Out, 0o755); err != nil {
		return err
	}
	if err := report.WriteJSON(filepath.Join(c.Out, "gpu-check.json")); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(c.Out, "gpu-check.md"))
	if err != nil {
		return err
	}
	defer f.Close()
	if err := report.Write(f); err != nil {
		return err
	}
	if err := report.Write(con.out); err != nil {
		return err
	}
	if failed, missed := report.Count(gpucheck.Failed), report.Count(gpucheck.Missed); failed+missed > 0 {
		return fmt.Errorf("gpu-check: %d failed, %d short of the target", failed, missed)
	}
	return nil
}
