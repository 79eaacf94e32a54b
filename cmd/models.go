package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"

	"repartee/catalog"
	"repartee/inference/llama"
	"repartee/supply"
)

type modelsCmd struct {
	List modelsListCmd `cmd:"" help:"List the catalogue and what is on this machine."`
	Show modelsShowCmd `cmd:"" help:"Show what a model or voice file says of itself."`
	Pull modelsPullCmd `cmd:"" help:"Fetch a model of the catalogue from the hub, with resume and checksum."`
	Rm   modelsRmCmd   `cmd:"" help:"Remove a pulled model's file."`
	Make modelsMakeCmd `cmd:"" help:"Write a model with random weights in the shape of a real one, to measure with."`

	Quantize modelsQuantizeCmd `cmd:"" help:"Write a copy of a model with weights of another type."`
	Prune    modelsPruneCmd    `cmd:"" help:"Write a copy of a model without some of its layers: a draft model for --draft."`
}

type modelsListCmd struct {
	JSON bool `help:"Print JSON."`
}

// Run prints the catalogue.
func (c *modelsListCmd) Run(con *console) error {
	type row struct {
		catalog.Entry
		Present bool   `json:"present"`
		Path    string `json:"path"`
	}
	var rows []row
	for _, e := range catalog.Entries {
		rows = append(rows, row{e, e.Present(supply.Dir()), e.Path(supply.Dir())})
	}
	if c.JSON {
		return printJSON(con, rows)
	}
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tHERE\tSIZE\tLICENCE\tABOUT")
	for _, r := range rows {
		here := "no"
		if r.Present {
			here = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Kind, here, r.Size, r.Licence, r.About)
	}
	return w.Flush()
}

type modelsShowCmd struct {
	Name string `arg:"" help:"Catalogue name or file."`
}

// Run prints a model's metadata.
func (c *modelsShowCmd) Run(con *console) error {
	path, err := catalog.Resolve(c.Name, supply.Dir())
	if err != nil {
		return err
	}
	if e, ok := catalog.Get(c.Name); ok && e.Kind == catalog.Voice {
		return printJSON(con, e)
	}
	model, err := llama.LoadModel(llama.ModelParams{Path: path, VocabOnly: true})
	if err != nil {
		return err
	}
	defer model.Close()
	info := model.Info()
	info.ChatTemplate = fmt.Sprintf("%d bytes of Jinja", len(info.ChatTemplate))
	return printJSON(con, struct {
		llama.ModelInfo
		Metadata map[string]string
	}{info, model.Meta()})
}

type modelsPullCmd struct {
	Name string `arg:"" help:"Catalogue name."`
}

// Run fetches a file.
func (c *modelsPullCmd) Run(ctx context.Context, con *console) error {
	e, ok := catalog.Get(c.Name)
	switch {
	case !ok:
		return fmt.Errorf("models: %q is not in the catalogue; see \"repartee models list\"", c.Name)
	case e.Present(supply.Dir()):
		fmt.Fprintf(con.err, "%s is already here: %s\n", e.Name, e.Path(supply.Dir()))
		return nil
	case e.Repo == "":
		return fmt.Errorf("models: %s comes with the build: run \"make fetch\"", e.Name)
	}
	return catalog.Pull(ctx, e, supply.Dir(), pullProgress(con, e.Name))
}

type modelsRmCmd struct {
	Name string `arg:"" help:"Catalogue name."`
}

// Run removes a pulled file.
func (c *modelsRmCmd) Run(con *console) error {
	e, ok := catalog.Get(c.Name)
	if !ok {
		return fmt.Errorf("models: %q is not in the catalogue; see \"repartee models list\"", c.Name)
	}
	path := e.Path(supply.Dir())
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("models: removing %s: %w", e.Name, err)
	}
	fmt.Fprintf(con.err, "removed %s\n", path)
	return nil
}

func printJSON(con *console, v any) error {
	enc := json.NewEncoder(con.out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
