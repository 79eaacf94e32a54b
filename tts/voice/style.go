package voice

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"repartee/tts/onnx/graph"
)

// styleWidth is the numbers in one row of a style pack.
const styleWidth = 256

// maxStyles bounds a file of style packs: 256 speakers of 512 rows.
const maxStyles = 256 * 512 * styleWidth * 4

// style is a speaker's pack: rows of styleWidth numbers, one for each length of
// text, or a single one.
type style struct {
	name string
	data []float32
}

// row gives the style for a text of n phonemes.
func (s style) row(n int) []float32 {
	r := min(max(n, 0), len(s.data)/styleWidth-1)
	return s.data[r*styleWidth : (r+1)*styleWidth]
}

// mixed is the row of a speaker or of a mix, whose rows are averaged.
func mixed(styles []style, s Speaker, n int) ([]float32, error) {
	out := make([]float32, styleWidth)
	mix := s.Mix
	if len(mix) == 0 {
		mix = []Share{{s.ID, 1}}
	}
	for _, m := range mix {
		if m.ID < 0 || m.ID >= len(styles) {
			return nil, fmt.Errorf("voice: speaker %d of %d", m.ID, len(styles))
		}
		for i, x := range styles[m.ID].row(n) {
			out[i] += x * m.Weight
		}
	}
	return out, nil
}

// findStyles loads the style packs beside the voice NAME.onnx: the folder
// NAME.voices with one .bin a speaker, a file NAME.voices.npz or NAME.voices.bin,
// or, without the NAME, voices.npz, voices.bin, voices-*.bin and the folder voices.
func findStyles(path string, m *graph.Model) ([]style, error) {
	dir, stem := filepath.Dir(path), strings.TrimSuffix(path, filepath.Ext(path))
	places := []string{stem + ".voices", stem + ".voices.npz", stem + ".voices.bin", filepath.Join(dir, "voices.npz"), filepath.Join(dir, "voices.bin")}
	loose, _ := filepath.Glob(filepath.Join(dir, "voices-*.bin"))
	places = append(append(places, loose...), filepath.Join(dir, "voices"), filepath.Join(dir, "..", "voices"))
	for _, p := range places {
		st, err := os.Stat(p)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		var s []style
		if st.IsDir() {
			s, err = styleFolder(p)
		} else {
			s, err = styleFile(p, m.Metadata)
		}
		if err != nil {
			return nil, err
		}
		if len(s) > 0 {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no style packs: looked for %s", strings.Join(places, ", "))
}

// styleFolder reads one pack a file, in the order of their names.
func styleFolder(dir string) ([]style, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.bin"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var out []style
	for _, f := range files {
		s, err := styleFile(f, nil)
		if err != nil {
			return nil, err
		}
		if len(s) != 1 {
			return nil, fmt.Errorf("style pack %q holds %d speakers, want 1", f, len(s))
		}
		out = append(out, s...)
	}
	return out, nil
}

// styleFile reads an .npz archive (whatever its name), one raw pack, or several
// raw packs one behind the other, whose names meta gives as speaker_names.
func styleFile(path string, meta map[string]string) ([]style, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxStyles {
		return nil, fmt.Errorf("style file %q has %d bytes, more than %d", path, st.Size(), maxStyles)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []style
	if strings.HasPrefix(string(b[:min(4, len(b))]), "PK\x03\x04") {
		out, err = readNPZ(b)
	} else {
		out, err = readRaw(b, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), meta)
	}
	if err != nil {
		return nil, fmt.Errorf("style file %q: %w", path, err)
	}
	return out, nil
}

// readRaw splits raw float32 packs. Without names a file is one speaker's,
// unless it is several times the usual 510 or 511 rows.
func readRaw(b []byte, name string, meta map[string]string) ([]style, error) {
	const row = 4 * styleWidth
	if len(b) == 0 || len(b)%row != 0 {
		return nil, fmt.Errorf("%d bytes are not rows of %d float32", len(b), styleWidth)
	}
	names := []string{name}
	if listed := meta["speaker_names"]; listed != "" {
		names = strings.Split(listed, ",")
	} else if rows := len(b) / row; rows > 511 {
		for _, usual := range []int{510, 511, 512} {
			if rows%usual == 0 {
				names = make([]string, rows/usual)
				for i := range names {
					names[i] = fmt.Sprint(i)
				}
				break
			}
		}
	}
	if len(b)/row%len(names) != 0 {
		return nil, fmt.Errorf("%d rows cannot be shared by %d speakers", len(b)/row, len(names))
	}
	per := len(b) / len(names)
	out := make([]style, len(names))
	for i, n := range names {
		data, err := floats(b[i*per : (i+1)*per])
		if err != nil {
			return nil, err
		}
		out[i] = style{strings.TrimSpace(n), data}
	}
	return out, nil
}

func floats(b []byte) ([]float32, error) {
	out := make([]float32, len(b)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if x := float64(out[i]); math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("number %d is %v", i, x)
		}
	}
	return out, nil
}
