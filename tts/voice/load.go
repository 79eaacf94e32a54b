package voice

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"repartee/tts/onnx/graph"
)

// maxConfig bounds the configuration file beside a voice.
const maxConfig = 8 << 20

// Load reads the voice at path (an .onnx file) and whatever lies beside it.
// onnx.Open must have succeeded. The error says what was expected.
func Load(path string, o Options) (Voice, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("voice: loading: %w", err)
	}
	m, err := graph.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("voice: loading %q: %w", path, err)
	}
	v, err := load(m, path, o)
	if err != nil {
		return nil, fmt.Errorf("voice: loading %q: %w", path, err)
	}
	return v, nil
}

func load(m *graph.Model, path string, o Options) (Voice, error) {
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := m.Input(n); !ok {
				return false
			}
		}
		return true
	}
	l, vits := vitsLayout(m)
	switch {
	case vits && l == layoutPiper:
		return loadPiper(m, path, o)
	case vits:
		return loadMMS(m, path, l, o)
	case styledInput(m) != "" && has("style", "speed"):
		return loadStyled(m, path, o)
	case isSupertonic(m):
		return loadSupertonic(path, o)
	}
	var names []string
	for _, v := range m.Inputs {
		names = append(names, v.Name)
	}
	return nil, fmt.Errorf("no voice family has the inputs %s", strings.Join(names, ", "))
}

func loadPiper(m *graph.Model, path string, o Options) (Voice, error) {
	b, err := readBounded(path + ".json")
	if err != nil {
		return nil, fmt.Errorf("a Piper voice needs its configuration: %w", err)
	}
	cfg, err := parsePiperConfig(b)
	if err != nil {
		return nil, err
	}
	if _, multi := m.Input("sid"); multi != (cfg.NumSpeakers > 1) {
		return nil, fmt.Errorf("the graph and the configuration (num_speakers %d) differ on speakers", cfg.NumSpeakers)
	}
	info := Info{
		Family: "piper", Language: language(cfg.Language.Code, cfg.Espeak.Voice), Licence: o.Licence,
		SampleRate: cfg.Audio.SampleRate, Speakers: cfg.speakerNames(),
		Characters: cfg.PhonemeType == "text", Espeak: cfg.Espeak.Voice,
		MaxUnits: maxPiperUnits, Device: o.device(), Timed: true, Slowest: slowestVITS, Fastest: fastestVITS,
	}
	if info.Licence == "" {
		info.Licence = cardLicence(path)
	}
	return loadVITS(m, layoutPiper, cfg, info, o)
}

func readBounded(path string) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxConfig {
		return nil, fmt.Errorf("%q has %d bytes, more than %d", path, st.Size(), maxConfig)
	}
	return os.ReadFile(path)
}

// language writes "en_US" or espeak's "en-us" as BCP 47 does.
func language(code, espeak string) string {
	if code == "" {
		code = espeak
	}
	lang, region, ok := strings.Cut(strings.ReplaceAll(code, "_", "-"), "-")
	if !ok {
		return lang
	}
	if len(region) == 2 {
		region = strings.ToUpper(region)
	}
	return lang + "-" + region
}

// cardLicence looks for a licence line in the model card beside a voice, which is
// called as the voice is or has no name of its own.
func cardLicence(path string) string {
	b, err := readBounded(strings.TrimSuffix(path, ".onnx") + ".MODEL_CARD")
	if err != nil {
		b, err = readBounded(filepath.Join(filepath.Dir(path), "MODEL_CARD"))
	}
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		k, v, ok := strings.Cut(strings.TrimLeft(line, "*- \t"), ":")
		if k = strings.ToLower(strings.TrimSpace(k)); ok && (k == "license" || k == "licence") {
			return spdx(strings.TrimSpace(v))
		}
	}
	return ""
}

// spdx gives the usual names of licences on voices their SPDX identifier, and
// leaves others as they are.
func spdx(name string) string {
	switch strings.ToLower(strings.NewReplacer(" ", "", "-", "", "_", "", ".", "").Replace(name)) {
	case "cc0", "cc010", "publicdomain(cc0)":
		return "CC0-1.0"
	case "ccby40":
		return "CC-BY-4.0"
	case "ccbysa40":
		return "CC-BY-SA-4.0"
	case "ccbync40":
		return "CC-BY-NC-4.0"
	case "ccbyncsa40":
		return "CC-BY-NC-SA-4.0"
	case "apache2", "apache20", "apachelicense20":
		return "Apache-2.0"
	case "mit", "mitlicense":
		return "MIT"
	}
	return name
}
