package voice

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-json"
	bcp47 "golang.org/x/text/language"

	"repartee/tts/onnx/graph"
)

const (
	mmsRate     = 16000
	maxMMSUnits = 250
)

// characters is the encoder of MMS voices: letters, each behind a blank.
type characters struct {
	ids   map[rune]int64
	blank int64
	fold  bool // letters are small ones
}

func (c *characters) scales() vitsScales { return vitsScales{0.667, 1, 0.8} }

func (c *characters) encode(units string) (ids []int64, marks []rune) {
	if c.fold {
		units = strings.ToLower(units)
	}
	said := false
	for _, r := range strings.TrimSpace(units) {
		id, ok := c.ids[r]
		if !ok {
			continue
		}
		said = said || r != ' '
		ids, marks = append(ids, c.blank, id), append(marks, 0, r)
	}
	if !said {
		return nil, nil
	}
	return append(ids, c.blank), append(marks, 0)
}

// loadMMS loads a VITS voice on characters, with its vocabulary beside it:
// NAME.tokens.txt or tokens.txt (a symbol and its id a line), NAME.vocab.json or
// vocab.json.
func loadMMS(m *graph.Model, path string, l layout, o Options) (Voice, error) {
	c, err := findCharacters(path)
	if err != nil {
		return nil, err
	}
	info := Info{
		Family: "mms", Licence: o.Licence, SampleRate: mmsRate, Characters: true, MaxUnits: maxMMSUnits,
		Device: o.device(), Timed: true, Slowest: slowestVITS, Fastest: fastestVITS, Language: mmsLanguage(m.Metadata["language"], path),
	}
	if info.Licence == "" {
		info.Licence = cardLicence(path)
	}
	if s := m.Metadata["sample_rate"]; s != "" {
		if info.SampleRate, err = strconv.Atoi(s); err != nil || info.SampleRate < 4000 || info.SampleRate > 192000 {
			return nil, fmt.Errorf("metadata sample_rate is %q, want 4000 to 192000", s)
		}
	}
	return loadVITS(m, l, c, info, o)
}

// mmsLanguage finds the language in the metadata or in a file or folder called
// mms-tts-deu; "" when neither says it.
func mmsLanguage(said, path string) string {
	if t, err := bcp47.Parse(said); err == nil && said != "" {
		return t.String()
	}
	for _, name := range []string{filepath.Base(path), filepath.Base(filepath.Dir(path)), filepath.Base(filepath.Dir(filepath.Dir(path)))} {
		if _, code, ok := strings.Cut(name, "mms-tts-"); ok && len(code) >= 3 {
			if t, err := bcp47.Parse(code[:3]); err == nil {
				return t.String()
			}
		}
	}
	return ""
}

func findCharacters(path string) (*characters, error) {
	stem, dir := strings.TrimSuffix(path, filepath.Ext(path)), filepath.Dir(path)
	// Exports keep the graph in a folder onnx below its files.
	for _, p := range []string{stem + ".tokens.txt", filepath.Join(dir, "tokens.txt")} {
		if b, err := readBounded(p); err == nil {
			c, err := parseTokens(string(b))
			if err != nil {
				return nil, fmt.Errorf("vocabulary %q: %w", p, err)
			}
			return c, nil
		}
	}
	for _, p := range []string{stem + ".vocab.json", filepath.Join(dir, "vocab.json"), filepath.Join(dir, "..", "vocab.json")} {
		b, err := readBounded(p)
		if err != nil {
			continue
		}
		rules, _ := readBounded(strings.TrimSuffix(p, "vocab.json") + "tokenizer_config.json")
		c, err := parseVocabulary(b, rules)
		if err != nil {
			return nil, fmt.Errorf("vocabulary %q: %w", p, err)
		}
		return c, nil
	}
	return nil, fmt.Errorf("an MMS voice needs its vocabulary: tokens.txt or vocab.json beside %q", path)
}

// parseTokens reads lines of a symbol, a space and an id; a line with the id
// alone is the space's.
func parseTokens(s string) (*characters, error) {
	c := &characters{ids: map[rune]int64{}, fold: true}
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		i := strings.LastIndexByte(line, ' ')
		symbol, number := " ", strings.TrimSpace(line)
		if i > 0 {
			symbol, number = line[:i], line[i+1:]
		}
		id, err := strconv.ParseInt(number, 10, 32)
		if err != nil || id < 0 {
			return nil, fmt.Errorf("line %q: want a symbol and its id", line)
		}
		c.put(symbol, id)
	}
	return c, c.check()
}

// parseVocabulary reads an object of symbols and ids; rules is the tokenizer's
// configuration, or empty.
func parseVocabulary(b, rules []byte) (*characters, error) {
	var ids map[string]int64
	if err := json.Unmarshal(b, &ids); err != nil {
		return nil, err
	}
	t := struct {
		Uroman    bool   `json:"is_uroman"`
		Normalize *bool  `json:"normalize"`
		Pad       string `json:"pad_token"`
	}{}
	if len(rules) > 0 {
		if err := json.Unmarshal(rules, &t); err != nil {
			return nil, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	if t.Uroman {
		return nil, fmt.Errorf("this language is to be romanised first, which is not supported")
	}
	c := &characters{ids: map[rune]int64{}, fold: t.Normalize == nil || *t.Normalize}
	for symbol, id := range ids {
		if id < 0 || id > 1<<20 {
			return nil, fmt.Errorf("symbol %q has id %d", symbol, id)
		}
		c.put(symbol, id)
	}
	return c, c.check()
}

// put takes over symbols of one code point; the others are names of special
// ids.
func (c *characters) put(symbol string, id int64) {
	if rs := []rune(symbol); len(rs) == 1 {
		c.ids[rs[0]] = id
	}
}

func (c *characters) check() error {
	if len(c.ids) < 2 {
		return fmt.Errorf("%d symbols of one character, want at least 2", len(c.ids))
	}
	return nil
}
