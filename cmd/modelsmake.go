package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"repartee/supply"
	"repartee/synthetic"
)

type modelsMakeCmd struct {
	Shape        string `arg:"" help:"phi3-mini, llama3.1-8b or qwen2.5-1.5b; or vits or kokoro, which are voices."`
	File         string `arg:"" help:"GGUF file, or ONNX for voices, to write."`
	Layers       int    `help:"Layers to keep; 0 = all. Fewer make a thinned copy that fits little memory; voices are thin or not." default:"0" placeholder:"N"`
	Seed         uint64 `help:"Seed of the weights; the same seed makes the same file." default:"1" placeholder:"N"`
	Vocabularies string `help:"Folder with llama.cpp's ggml-vocab-*.gguf. Default: that of the pinned tree." placeholder:"DIR"`
}

// Run writes the file.
func (c *modelsMakeCmd) Run(con *console) error {
	if slices.Contains(synthetic.VoiceShapes, c.Shape) {
		if err := synthetic.WriteVoice(c.Shape, c.File, c.Layers > 0, c.Seed); err != nil {
			return err
		}
		return c.done(con)
	}
	shape, err := synthetic.Named(c.Shape)
	if err != nil {
		return &usageError{fmt.Sprintf("%v, and the voices %v", err, synthetic.VoiceShapes)}
	}
	from := c.Vocabularies
	if from == "" {
		tree, err := supply.Find(supply.LlamaSource)
		if err != nil {
			return err
		}
		from = filepath.Join(tree, "models")
	}
	if err := shape.Write(c.File, from, c.Layers, c.Seed); err != nil {
		return err
	}
	return c.done(con)
}

// done says what was written.
func (c *modelsMakeCmd) done(con *console) error {
	st, err := os.Stat(c.File)
	if err != nil {
		return err
	}
	fmt.Fprintf(con.out, "%s: %d MB\n", c.File, st.Size()/1e6)
	return nil
}
