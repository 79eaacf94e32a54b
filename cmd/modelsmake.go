package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"repartee/catalog"
	"repartee/supply"
	"repartee/synthetic"
)

type modelsMakeCmd struct {
	Shape        string `arg:"" help:"phi3-mini, llama3.1-8b or qwen2.5-1.5b; eagle3, a draft head; or vits or kokoro, which are voices."`
	File         string `arg:"" help:"GGUF file, or ONNX for voices, to write."`
	Layers       int    `help:"Layers to keep; 0 = all. Fewer make a thinned copy that fits little memory; voices are thin or not." default:"0" placeholder:"N"`
	For          string `help:"Model of the architecture llama that an eagle3 head is for: a GGUF file or catalogue name. The head is as large as a trained one, and wrong." placeholder:"MODEL"`
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
	if c.Shape == "eagle3" {
		if err := c.head(); err != nil {
			return err
		}
		return c.done(con)
	}
	shape, err := synthetic.Named(c.Shape)
	if err != nil {
		return &usageError{fmt.Sprintf("%v, the draft head eagle3, and the voices %v", err, synthetic.VoiceShapes)}
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

// headTokens is how many tokens a head has of its own: a sixth of the default model's.
const headTokens = 8192

// head writes a draft head.
func (c *modelsMakeCmd) head() error {
	if c.For == "" {
		return usagef("models make eagle3: --for says which model the head is for: a GGUF file or catalogue name")
	}
	path, err := catalog.Resolve(c.For, supply.Dir())
	if err != nil {
		return err
	}
	data, err := synthetic.EAGLE3Of(path, headTokens, c.Seed)
	if err != nil {
		return err
	}
	return os.WriteFile(c.File, data, 0o644)
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
