package voice

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-json"
	"golang.org/x/text/unicode/norm"
)

// piperConfig is the .onnx.json file beside a Piper voice.
type piperConfig struct {
	Audio struct {
		SampleRate int `json:"sample_rate"`
	} `json:"audio"`
	Espeak struct {
		Voice string `json:"voice"`
	} `json:"espeak"`
	Language struct {
		Code string `json:"code"`
	} `json:"language"`
	PhonemeType string              `json:"phoneme_type"`
	PhonemeMap  map[string][]string `json:"phoneme_map"`
	IDs         map[string][]int64  `json:"phoneme_id_map"`
	Inference   struct {
		Noise  *float64 `json:"noise_scale"`
		Length *float64 `json:"length_scale"`
		NoiseW *float64 `json:"noise_w"`
	} `json:"inference"`
	NumSpeakers int            `json:"num_speakers"`
	Speakers    map[string]int `json:"speaker_id_map"`

	ids map[rune][]int64
}

// parsePiperConfig reads and checks the configuration. Everything that is used
// later without a check is checked here.
func parsePiperConfig(b []byte) (*piperConfig, error) {
	c := &piperConfig{}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("voice: reading the configuration: %w", err)
	}
	bad := func(field, why string, args ...any) (*piperConfig, error) {
		return nil, fmt.Errorf("voice: configuration field %s: "+why, append([]any{field}, args...)...)
	}
	if c.Audio.SampleRate < 4000 || c.Audio.SampleRate > 192000 {
		return bad("audio.sample_rate", "%d, want 4000 to 192000", c.Audio.SampleRate)
	}
	switch c.PhonemeType {
	case "", "espeak":
		c.PhonemeType = "espeak"
		if c.Espeak.Voice == "" {
			return bad("espeak.voice", "missing")
		}
	case "text":
	default:
		return bad("phoneme_type", "%q, want espeak or text", c.PhonemeType)
	}
	c.ids = make(map[rune][]int64, len(c.IDs))
	for s, ids := range c.IDs {
		rs := []rune(s)
		if len(rs) != 1 {
			continue // never matched: phonemes are looked up one code point at a time
		}
		for _, id := range ids {
			if id < 0 || id > 1<<20 {
				return bad("phoneme_id_map", "%q has id %d", s, id)
			}
		}
		c.ids[rs[0]] = ids
	}
	for _, r := range "_^$" {
		if len(c.ids[r]) == 0 {
			return bad("phoneme_id_map", "no id for %q", string(r))
		}
	}
	scale := func(field string, p **float64, fallback float64) error {
		if *p == nil {
			*p = &fallback
		}
		if v := **p; !(v >= 0 && v <= 10) {
			return fmt.Errorf("voice: configuration field inference.%s: %v, want 0 to 10", field, v)
		}
		return nil
	}
	if err := scale("noise_scale", &c.Inference.Noise, 0.667); err != nil {
		return nil, err
	}
	if err := scale("length_scale", &c.Inference.Length, 1); err != nil {
		return nil, err
	}
	if err := scale("noise_w", &c.Inference.NoiseW, 0.8); err != nil {
		return nil, err
	}
	if *c.Inference.Length < 0.05 {
		return bad("inference.length_scale", "%v, want at least 0.05", *c.Inference.Length)
	}
	if c.NumSpeakers < 0 || c.NumSpeakers > 100000 {
		return bad("num_speakers", "%d", c.NumSpeakers)
	}
	for name, id := range c.Speakers {
		if id < 0 || id >= max(c.NumSpeakers, 1) {
			return bad("speaker_id_map", "%q is %d of %d", name, id, c.NumSpeakers)
		}
	}
	return c, nil
}

// speakerNames lists the speakers so that a name's index is its id.
func (c *piperConfig) speakerNames() []string {
	if c.NumSpeakers < 2 {
		return nil
	}
	out := make([]string, c.NumSpeakers)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Speakers)) {
		out[c.Speakers[name]] = name
	}
	return out
}

func (c *piperConfig) scales() vitsScales {
	return vitsScales{*c.Inference.Noise, *c.Inference.Length, *c.Inference.NoiseW}
}

// encode turns phonemes into ids: start, then each known code point of the
// decomposed text behind a blank, then a blank and the end. marks has, for each
// id, the code point it belongs to (0 for none).
func (c *piperConfig) encode(units string) (ids []int64, marks []rune) {
	put := func(r rune, mark rune) {
		for _, id := range c.ids[r] {
			ids = append(ids, id)
			marks = append(marks, mark)
		}
	}
	put('^', 0)
	put('_', 0)
	said := false
	if c.PhonemeType == "text" {
		units = strings.ToLower(units)
	}
	for _, r := range norm.NFD.String(units) {
		if len(c.ids[r]) == 0 || r == '^' || r == '$' || r == '_' {
			continue
		}
		said = said || r != ' '
		put(r, r)
		put('_', 0)
	}
	if !said {
		return nil, nil
	}
	put('$', 0)
	return ids, marks
}
