package voice

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// besides are the files of no name of their own that a voice may read, in its
// folder or the one above.
var besides = append([]string{"tokens.txt", "vocab.json", "tokenizer_config.json", "voices.npz", "voices.bin", "tts.json", "unicode_indexer.json", "MODEL_CARD"}, supertonicFiles...)

// Fingerprint is a hash of the voice at path and of everything beside it that
// Load may read: another graph, configuration or style pack gives another one.
func Fingerprint(path string) ([32]byte, error) {
	h := sha256.New()
	if err := hashFile(h, path); err != nil {
		return [32]byte{}, fmt.Errorf("voice: fingerprint: %w", err)
	}
	dir, stem := filepath.Dir(path), strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	above := filepath.Join(dir, "..")
	own := func(name string) bool {
		return strings.HasPrefix(name, stem+".") && name != filepath.Base(path) ||
			slices.Contains(besides, name) && name != filepath.Base(path) || strings.HasPrefix(name, "voices-") && strings.HasSuffix(name, ".bin")
	}
	all := func(name string) bool { return strings.HasSuffix(name, ".bin") || strings.HasSuffix(name, ".json") }
	for _, place := range []struct {
		dir   string
		takes func(string) bool
	}{
		{dir, own}, {above, func(name string) bool { return name == "vocab.json" || name == "tokenizer_config.json" }},
		{filepath.Join(dir, stem+".voices"), all}, {filepath.Join(dir, "voices"), all}, {filepath.Join(above, "voices"), all},
		{filepath.Join(dir, "voice_styles"), all}, {filepath.Join(above, "voice_styles"), all},
	} {
		entries, _ := os.ReadDir(place.dir) // in order of their names; a folder that is not there holds nothing
		for _, e := range entries {
			if !e.Type().IsRegular() && e.Type()&os.ModeSymlink == 0 || !place.takes(e.Name()) {
				continue
			}
			file := filepath.Join(place.dir, e.Name())
			if st, err := os.Stat(file); err != nil || !st.Mode().IsRegular() {
				continue
			}
			if err := hashFile(h, file); err != nil {
				return [32]byte{}, fmt.Errorf("voice: fingerprint: %w", err)
			}
		}
	}
	return [32]byte(h.Sum(nil)), nil
}

// hashFile writes a file's name, size and bytes to h.
func hashFile(h io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	head := binary.LittleEndian.AppendUint64([]byte(filepath.Base(path)+"\x00"), uint64(st.Size()))
	if _, err := h.Write(head); err != nil {
		return err
	}
	_, err = io.Copy(h, f)
	return err
}
