package cmd

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/goccy/go-json"

	"repartee/bench/kvtypes"
	"repartee/catalog"
	"repartee/inference"
	"repartee/supply"
)

// benchKV is "repartee bench kv".
type benchKV struct {
	Text      []string `arg:"" help:"Files whose text is read, one behind the other." type:"existingfile"`
	ModelFile string   `env:"-" help:"GGUF file or catalogue name. Default: the default model." placeholder:"FILE"`
	Types     string   `env:"-" help:"Pairs of types, K/V with commas between. All are compared with the first." default:"f16/f16,bf16/bf16,q8_0/f16,q8_0/q8_0,q4_0/f16,q4_0/q4_0" placeholder:"LIST"`
	Tokens    int      `env:"-" help:"Length of a piece of the text, and the depth at which tokens are generated, 64 … 131072." default:"1500" placeholder:"N"`
	Pieces    int      `env:"-" help:"Pieces of the text, 1 … 1000." default:"3" placeholder:"N"`
	Rounds    int      `env:"-" help:"Repetitions of the speeds, in turn over the pairs; 0 = no speeds." default:"5" placeholder:"N"`
	Threads   int      `env:"-" help:"CPU threads." default:"2" placeholder:"N"`
	JSON      string   `env:"-" name:"json" help:"Write everything to this file." placeholder:"FILE" type:"path"`
	Quiet     bool     `env:"-" short:"q" help:"No progress on stderr."`
}

// Run measures and prints the table.
func (c *benchKV) Run(ctx context.Context, con *console) error {
	for _, b := range []struct {
		flag           string
		v, least, most int
	}{{"--tokens", c.Tokens, 64, 131072}, {"--pieces", c.Pieces, 1, 1000}, {"--rounds", c.Rounds, 0, 1000}, {"--threads", c.Threads, 1, 1024}} {
		if b.v < b.least || b.v > b.most {
			return usagef("%s %d: want %d … %d", b.flag, b.v, b.least, b.most)
		}
	}
	cfg := kvtypes.Config{Tokens: c.Tokens, Windows: c.Pieces, Rounds: c.Rounds, Threads: c.Threads, Progress: con.err}
	if c.Quiet {
		cfg.Progress = nil
	}
	for pair := range strings.SplitSeq(c.Types, ",") {
		k, v, err := inference.KVTypes(strings.TrimSpace(pair))
		if err != nil || k == "" {
			return usagef("--types %q: %q: want f16, bf16, q8_0, q4_0, or two of them as K/V", c.Types, pair)
		}
		cfg.Pairs = append(cfg.Pairs, kvtypes.Pair{K: k, V: v})
	}
	var text strings.Builder
	for _, file := range c.Text {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("bench: %w", err)
		}
		text.Write(data)
	}
	cfg.Text = text.String()
	var err error
	if c.ModelFile == "" {
		cfg.Path, err = supply.Find(supply.DefaultModel)
	} else {
		cfg.Path, err = catalog.Resolve(c.ModelFile, supply.Dir())
	}
	if err != nil {
		return err
	}
	report, err := kvtypes.Measure(ctx, cfg)
	if err != nil {
		return err
	}
	if err := report.Write(con.out); err != nil {
		return err
	}
	if c.JSON == "" {
		return nil
	}
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("bench: --json: %w", err)
	}
	return os.WriteFile(c.JSON, append(data, '\n'), 0o644)
}
