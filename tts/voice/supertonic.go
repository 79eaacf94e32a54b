package voice

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-json"
	"golang.org/x/text/unicode/norm"

	"repartee/tts/onnx"
	"repartee/tts/onnx/graph"
)

const (
	// supertonicSteps is how often the latent is refined: its authors' middle way
	// between fast (2) and best (10).
	supertonicSteps    = 5
	maxSupertonicUnits = 300
	// Its authors speak of 0.9 to 1.5; it fills any length with words, well or not.
	slowestSupertonic, fastestSupertonic = 0.7, 1.5
	// maxSupertonicSeconds bounds one inference whatever the graph says.
	maxSupertonicSeconds = 60
)

// The four graphs of Supertonic, each a file of this name.
var supertonicFiles = []string{"text_encoder.onnx", "duration_predictor.onnx", "vector_estimator.onnx", "vocoder.onnx"}

// supertonicConfig is the part of tts.json that is used.
type supertonicConfig struct {
	AE struct {
		SampleRate int `json:"sample_rate"`
		Chunk      int `json:"base_chunk_size"`
	} `json:"ae"`
	TTL struct {
		Compress int `json:"chunk_compress_factor"`
		Latent   int `json:"latent_dim"`
	} `json:"ttl"`
}

// supertonicStyle is one speaker's file.
type supertonicStyle struct {
	TTL tensorJSON `json:"style_ttl"`
	DP  tensorJSON `json:"style_dp"`
}

// tensorJSON is a tensor as nested lists, or flat, with its dimensions.
type tensorJSON struct {
	Dims []int64 `json:"dims"`
	Data any     `json:"data"`

	flat []float32
}

func (t *tensorJSON) check(name string) error {
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case float64:
			t.flat = append(t.flat, float32(v))
		case []any:
			for _, e := range v {
				if err := walk(e); err != nil {
					return err
				}
			}
		default:
			return fmt.Errorf("%s holds a %T, want numbers", name, v)
		}
		return nil
	}
	if err := walk(t.Data); err != nil {
		return err
	}
	t.Data = nil
	n := int64(1)
	for _, d := range t.Dims {
		if d <= 0 || d > 1<<16 {
			return fmt.Errorf("%s has the dimensions %v", name, t.Dims)
		}
		n *= d
	}
	if len(t.Dims) != 3 || t.Dims[0] != 1 || n != int64(len(t.flat)) {
		return fmt.Errorf("%s has %d numbers of %v, want one of three dimensions", name, len(t.flat), t.Dims)
	}
	return nil
}

// supertonic is a voice that reads characters and refines a latent of the
// length it has predicted, in several steps.
type supertonic struct {
	info   Info
	cfg    supertonicConfig
	index  []int64 // id of a code point, -1 = none
	styles []supertonicStyle

	text, duration, estimator, vocoder *part

	noise noise
}

// isSupertonic tells whether a graph is one of the four.
func isSupertonic(m *graph.Model) bool {
	for _, set := range [][]string{{"text_ids", "style_ttl", "text_mask"}, {"text_ids", "style_dp", "text_mask"}, {"noisy_latent", "text_emb", "total_step"}, {"latent"}} {
		all := true
		for _, name := range set {
			_, ok := m.Input(name)
			all = all && ok
		}
		if all {
			return true
		}
	}
	return false
}

// loadSupertonic loads the four graphs of the folder in which path lies, with
// tts.json and unicode_indexer.json beside them and the speakers in the folder
// voice_styles beside or above.
func loadSupertonic(path string, o Options) (_ Voice, err error) {
	dir := filepath.Dir(path)
	v := &supertonic{info: Info{
		Family: "supertonic", Language: "en-US", Licence: o.Licence, Characters: true,
		MaxUnits: maxSupertonicUnits, Device: o.device(), Cores: max(o.Threads, 1), Slowest: slowestSupertonic, Fastest: fastestSupertonic,
	}}
	if v.info.Licence == "" {
		v.info.Licence = cardLicence(path)
	}
	if err = v.configure(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	var wg sync.WaitGroup
	errs := make([]error, len(supertonicFiles))
	for i, p := range []**part{&v.text, &v.duration, &v.estimator, &v.vocoder} {
		wg.Go(func() {
			b, err := os.ReadFile(filepath.Join(dir, supertonicFiles[i]))
			var m *graph.Model
			if err == nil {
				m, err = graph.Parse(b)
			}
			if err == nil {
				m.FloatInputs()
				*p, err = newPart(m, o.session(max(o.Threads, 1)))
			}
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", supertonicFiles[i], err)
			}
		})
	}
	wg.Wait()
	return v, errors.Join(errs...)
}

func (v *supertonic) configure(dir string) error {
	read := func(to any, places ...string) error {
		for _, p := range places {
			b, err := readBounded(p)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			if err == nil {
				err = json.Unmarshal(b, to)
			}
			if err != nil {
				return fmt.Errorf("%q: %w", p, err)
			}
			return nil
		}
		return fmt.Errorf("no %s", strings.Join(places, ", nor "))
	}
	if err := read(&v.cfg, filepath.Join(dir, "tts.json")); err != nil {
		return err
	}
	c := v.cfg
	if c.AE.SampleRate < 4000 || c.AE.SampleRate > 192000 || c.AE.Chunk < 1 || c.AE.Chunk > 1<<16 || c.TTL.Compress < 1 || c.TTL.Compress > 1<<10 || c.TTL.Latent < 1 || c.TTL.Latent > 1<<12 {
		return fmt.Errorf("tts.json: sample_rate %d, base_chunk_size %d, chunk_compress_factor %d, latent_dim %d are not in range",
			c.AE.SampleRate, c.AE.Chunk, c.TTL.Compress, c.TTL.Latent)
	}
	v.info.SampleRate = c.AE.SampleRate
	if err := read(&v.index, filepath.Join(dir, "unicode_indexer.json")); err != nil {
		return err
	}
	for _, d := range []string{filepath.Join(dir, "voice_styles"), filepath.Join(dir, "..", "voice_styles")} {
		files, _ := filepath.Glob(filepath.Join(d, "*.json"))
		slices.Sort(files)
		for _, f := range files {
			var s supertonicStyle
			if err := read(&s, f); err != nil {
				return err
			}
			if err := errors.Join(s.TTL.check("style_ttl"), s.DP.check("style_dp")); err != nil {
				return fmt.Errorf("%q: %w", f, err)
			}
			v.styles = append(v.styles, s)
			v.info.Speakers = append(v.info.Speakers, strings.TrimSuffix(filepath.Base(f), ".json"))
		}
		if len(files) > 0 {
			return nil
		}
	}
	return fmt.Errorf("no voice_styles/*.json beside or above the graphs")
}

// Info implements Voice.
func (v *supertonic) Info() Info { return v.info }

// Close implements Voice.
func (v *supertonic) Close() {
	for _, p := range []*part{v.text, v.duration, v.estimator, v.vocoder} {
		p.close()
	}
}

// encode gives the ids of the decomposed text's characters.
func (v *supertonic) encode(units string) []int64 {
	var ids []int64
	said := false
	for _, r := range norm.NFKD.String(strings.TrimSpace(units)) {
		if int(r) < len(v.index) && v.index[r] >= 0 {
			ids = append(ids, v.index[r])
			said = said || r != ' '
		}
	}
	if !said {
		return nil
	}
	return ids
}

// Speak implements Voice.
func (v *supertonic) Speak(ctx context.Context, u Utterance, gate Gate, emit func([]float32) error) ([]Mark, error) {
	ids := v.encode(u.Units)
	if len(ids) == 0 {
		return nil, nil
	}
	if u.Speaker.ID < 0 || u.Speaker.ID >= len(v.styles) {
		return nil, fmt.Errorf("voice: speaker %d of %d", u.Speaker.ID, len(v.styles))
	}
	s := v.styles[u.Speaker.ID]
	in := map[string]onnx.Tensor{
		"text_ids": onnx.Ints(ids, 1, int64(len(ids))), "text_mask": ones(int64(len(ids))),
		"style_dp": onnx.Floats(s.DP.flat, s.DP.Dims...), "style_ttl": onnx.Floats(s.TTL.flat, s.TTL.Dims...),
	}
	run := func(p *part, want string) (onnx.Tensor, error) {
		var out []onnx.Tensor
		err := gate(ctx, func() (err error) {
			out, err = p.run(ctx, in)
			return err
		})
		if err != nil {
			return onnx.Tensor{}, err
		}
		if len(out[0].F32) == 0 {
			return onnx.Tensor{}, fmt.Errorf("voice: no %s", want)
		}
		return out[0], nil
	}
	d, err := run(v.duration, "duration")
	if err != nil {
		return nil, err
	}
	seconds := float64(d.F32[0])
	if u.Speed > 0 {
		seconds /= u.Speed
	}
	if !(seconds > 0) {
		return nil, nil
	}
	samples := int(min(seconds, maxSupertonicSeconds) * float64(v.cfg.AE.SampleRate))
	if in["text_emb"], err = run(v.text, "embedding"); err != nil {
		return nil, err
	}
	chunk := v.cfg.AE.Chunk * v.cfg.TTL.Compress
	width, length := int64(v.cfg.TTL.Latent*v.cfg.TTL.Compress), int64(math.Ceil(float64(samples)/float64(chunk)))
	length = max(length, 1)
	x := make([]float32, width*length)
	v.noise.fill(x, u.Seed)
	latent := onnx.Floats(x, 1, width, length)
	in["latent_mask"] = ones(length)
	in["total_step"] = onnx.Floats([]float32{supertonicSteps}, 1)
	for step := range supertonicSteps {
		in["noisy_latent"], in["current_step"] = latent, onnx.Floats([]float32{float32(step)}, 1)
		if latent, err = run(v.estimator, "latent"); err != nil {
			return nil, err
		}
	}
	in["latent"] = latent
	wav, err := run(v.vocoder, "samples")
	if err != nil {
		return nil, err
	}
	return nil, emit(wav.F32[:min(max(samples, 1), len(wav.F32))])
}

func ones(n int64) onnx.Tensor {
	m := make([]float32, n)
	for i := range m {
		m[i] = 1
	}
	return onnx.Floats(m, 1, 1, n)
}
