package ollama

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"repartee/dialogue"
	"repartee/inference/llama"
	"repartee/server/web"
)

// details describe a model in every list.
type details struct {
	ParentModel       string   `json:"parent_model"`
	Format            string   `json:"format"`
	Family            string   `json:"family"`
	Families          []string `json:"families"`
	ParameterSize     string   `json:"parameter_size"`
	QuantizationLevel string   `json:"quantization_level"`
}

// listed is a model in /api/tags and /api/ps.
type listed struct {
	Name          string     `json:"name"`
	Model         string     `json:"model"`
	ModifiedAt    *time.Time `json:"modified_at,omitempty"`
	Size          uint64     `json:"size"`
	Digest        string     `json:"digest"`
	Details       details    `json:"details"`
	ExpiresAt     *time.Time `json:"expires_at,omitempty"`
	SizeVRAM      *uint64    `json:"size_vram,omitempty"`
	ContextLength int        `json:"context_length,omitempty"`
}

// never is when a resident model is unloaded.
var never = time.Date(2318, 1, 1, 0, 0, 0, 0, time.UTC)

// Tags answers GET /api/tags.
func (d *Dialect) Tags(r *web.Request) {
	d.lists(r, func(m *listed, info llama.ModelInfo, _ dialogue.Engine) {
		var at time.Time
		if st, err := os.Stat(info.Path); err == nil {
			at = st.ModTime()
		}
		m.ModifiedAt = &at
	})
}

// Running answers GET /api/ps: everything is resident, for good.
func (d *Dialect) Running(r *web.Request) {
	d.lists(r, func(m *listed, _ llama.ModelInfo, e dialogue.Engine) {
		vram := uint64(0)
		m.ExpiresAt, m.SizeVRAM, m.ContextLength = &never, &vram, e.ContextSize()
	})
}

func (d *Dialect) lists(r *web.Request, more func(*listed, llama.ModelInfo, dialogue.Engine)) {
	out := struct {
		Models []listed `json:"models"`
	}{[]listed{}}
	for _, name := range d.Dialogue.Models().Names() {
		e, _, err := d.Dialogue.Engine(name, "")
		if err != nil {
			continue
		}
		info := e.Info()
		m := listed{Name: name, Model: name, Size: info.SizeBytes, Digest: digest(info), Details: describe(info)}
		more(&m, info, e)
		out.Models = append(out.Models, m)
	}
	d.json(r, out)
}

func (d *Dialect) json(r *web.Request, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		r.Fail(err)
		return
	}
	r.JSON(body)
}

// digest tells models apart. It is of what describes the file, not of its
// gigabytes.
func digest(info llama.ModelInfo) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d %d", info.Name, info.Description, info.SizeBytes, info.Parameters))
	return hex.EncodeToString(sum[:])
}

func describe(info llama.ModelInfo) details {
	return details{
		Format: "gguf", Family: info.Architecture, Families: []string{info.Architecture},
		ParameterSize: parameters(info.Parameters), QuantizationLevel: info.FileType,
	}
}

// parameters writes 134515008 as "134.52M".
func parameters(n uint64) string {
	switch {
	case n >= 1e9:
		return strconv.FormatFloat(float64(n)/1e9, 'f', 1, 64) + "B"
	case n >= 1e6:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 2, 64) + "M"
	}
	return strconv.FormatUint(n, 10)
}

// showBody is the wire type of POST /api/show; "name" is the older name of
// "model".
type showBody struct {
	Model   string `json:"model"`
	Name    string `json:"name"`
	Verbose bool   `json:"verbose"`
}

// metaModel is an engine that knows its file's metadata.
type metaModel interface{ Meta() map[string]string }

// Show answers POST /api/show.
func (d *Dialect) Show(r *web.Request) {
	var body showBody
	if err := web.Decode(r.HTTP, &body); err != nil {
		r.Fail(err)
		return
	}
	if body.Model == "" {
		body.Model = body.Name
	}
	var a answer
	if err := d.check(body.Model, &a); err != nil {
		r.Fail(err)
		return
	}
	info := a.engine.Info()
	out := struct {
		Modelfile    string         `json:"modelfile"`
		Parameters   string         `json:"parameters"`
		Template     string         `json:"template"`
		Details      details        `json:"details"`
		ModelInfo    map[string]any `json:"model_info"`
		Capabilities []string       `json:"capabilities"`
		ModifiedAt   time.Time      `json:"modified_at"`
	}{
		Modelfile: "FROM " + a.model + "\n", Template: info.ChatTemplate, Details: describe(info),
		ModelInfo: modelInfo(a.engine, info), Capabilities: []string{"completion"},
	}
	if strings.Contains(info.ChatTemplate, "tools") {
		out.Capabilities = append(out.Capabilities, "tools")
	}
	if strings.Contains(info.ChatTemplate, "<think>") {
		out.Capabilities = append(out.Capabilities, "thinking")
	}
	if st, err := os.Stat(info.Path); err == nil {
		out.ModifiedAt = st.ModTime()
	}
	d.json(r, out)
}

// modelInfo is the file's metadata, numbers as numbers, without the template
// and the vocabulary.
func modelInfo(e dialogue.Engine, info llama.ModelInfo) map[string]any {
	out := map[string]any{
		"general.architecture": info.Architecture, "general.parameter_count": info.Parameters,
		info.Architecture + ".context_length": info.ContextTrain, info.Architecture + ".embedding_length": info.Embedding,
		info.Architecture + ".block_count": info.Layers, info.Architecture + ".vocab_size": info.VocabSize,
	}
	m, ok := e.(metaModel)
	if !ok {
		return out
	}
	for k, v := range m.Meta() {
		if _, known := out[k]; known || strings.HasPrefix(k, "tokenizer.") || len(v) > 256 {
			continue
		}
		if n, err := strconv.ParseFloat(v, 64); err == nil {
			out[k] = n
		} else {
			out[k] = v
		}
	}
	return out
}

// Release answers GET /api/version.
func (d *Dialect) Release(r *web.Request) {
	r.JSON(append(web.AppendString([]byte(`{"version":`), d.Version), '}'))
}
