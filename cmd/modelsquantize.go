package cmd

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"repartee/catalog"
	"repartee/inference/llama"
	"repartee/supply"
)

type modelsQuantizeCmd struct {
	File    string `arg:"" help:"GGUF file or catalogue name."`
	Type    string `arg:"" help:"Weight type: F32, BF16, F16, Q8_0, Q6_K, Q5_K_M, Q5_0, Q4_K_M, Q4_1, Q4_0, IQ4_NL, Q3_K_M, Q2_K …"`
	Out     string `short:"o" required:"" help:"GGUF file to write; it must not exist." placeholder:"OUT"`
	Threads int    `help:"CPU threads; 0 = all cores." default:"0" placeholder:"N"`
}

// Run writes the copy.
func (c *modelsQuantizeCmd) Run(con *console) error {
	return rewrite(con, c.File, c.Out, func(path string, progress func(int64)) error {
		return llama.Quantize(path, c.Out, c.Type, c.Threads, progress)
	})
}

type modelsPruneCmd struct {
	File   string `arg:"" help:"GGUF file or catalogue name."`
	Layers string `required:"" help:"Layers to leave out, counted from 0, such as 3,8-20. Those in the middle are missed the least." placeholder:"LIST"`
	Out    string `short:"o" required:"" help:"GGUF file to write; it must not exist." placeholder:"OUT"`
}

// Run writes the copy.
func (c *modelsPruneCmd) Run(con *console) error {
	layers, err := layerList(c.Layers)
	if err != nil {
		return usagef("--layers %q: %v", c.Layers, err)
	}
	return rewrite(con, c.File, c.Out, func(path string, progress func(int64)) error {
		return llama.Prune(path, c.Out, layers, progress)
	})
}

// maxLayers bounds a list of layers; no model has as many.
const maxLayers = 4096

// layerList parses "3,8-20".
func layerList(s string) (layers []int, err error) {
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			to = from
		}
		a, errA := strconv.Atoi(from)
		b, errB := strconv.Atoi(to)
		if errA != nil || errB != nil || a < 0 || b < a || b >= maxLayers {
			return nil, fmt.Errorf("%q is no layer and no range of layers; want numbers and ranges with commas between, such as 3,8-20", part)
		}
		for l := a; l <= b; l++ {
			layers = append(layers, l)
		}
	}
	return layers, nil
}

// rewrite has a model's copy written and tells how far it is.
func rewrite(con *console, name, out string, write func(path string, progress func(int64)) error) error {
	path, err := catalog.Resolve(name, supply.Dir())
	if err != nil {
		return err
	}
	from, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("models: %w", err)
	}
	began := time.Now()
	fmt.Fprintf(con.err, "writing %s from %s (%d MB)\n", out, path, from.Size()/1e6)
	said := int64(0)
	err = write(path, func(written int64) {
		switch {
		case isTerminal(con.err):
			fmt.Fprintf(con.err, "\r%d MB ", written/1e6)
		case written-said >= 1e9:
			said = written
			fmt.Fprintf(con.err, "%d MB written\n", written/1e6)
		}
	})
	if isTerminal(con.err) {
		fmt.Fprint(con.err, "\r")
	}
	if err != nil {
		return err
	}
	made, err := os.Stat(out)
	if err != nil {
		return fmt.Errorf("models: %w", err)
	}
	fmt.Fprintf(con.out, "%s: %d MB after %s\n", out, made.Size()/1e6, time.Since(began).Round(100*time.Millisecond))
	return nil
}
