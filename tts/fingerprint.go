package tts

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"os"
	"path/filepath"

	"repartee/tts/audio"
	"repartee/tts/voice"
)

// fingerprint is a hash of everything outside a request that changes what a
// voice says: its files, the libraries, and the program. Speech on disk is only
// ever found again under the same one.
func (cfg *Config) fingerprint(path string) ([32]byte, error) {
	files, err := voice.Fingerprint(path)
	if err != nil {
		return [32]byte{}, err
	}
	h := sha256.New()
	h.Write(files[:])
	fmt.Fprintf(h, "%q %q", cfg.Build, audio.LameVersion())
	for _, p := range []string{cfg.Runtime, cfg.Phonemizer, cfg.EspeakLibrary} {
		identify(h, p)
	}
	for _, name := range []string{"phondata", "phonindex", "phontab", "intonations", "en_dict"} {
		identify(h, filepath.Join(cfg.EspeakData, name))
	}
	return [32]byte(h.Sum(nil)), nil
}

// Key names the speech of a request: as long as it stays the same, so do the
// bytes. It reads the voice's files. Errors as Say.
func (s *Service) Key(r Request) (string, error) {
	r.From = 0
	o, err := s.check(r)
	if err != nil {
		return "", err
	}
	if o.r.path == "" || o.r.files != [32]byte{} {
		return fmt.Sprintf("%x", o.diskKey(o.key())), nil
	}
	files, err := s.cfg.fingerprint(o.r.path)
	if err != nil {
		return "", fmt.Errorf("tts: %w", err)
	}
	return fmt.Sprintf("%x", diskKey(o.r.print(files), o.key())), nil
}

// identify writes what tells a file from its other versions.
func identify(h hash.Hash, path string) {
	st, err := os.Stat(path)
	if err != nil {
		fmt.Fprintf(h, "%q -", filepath.Base(path))
		return
	}
	fmt.Fprintf(h, "%q %d %d", filepath.Base(path), st.Size(), st.ModTime().UnixNano())
}

// print is the voice's part of a key on disk; files is its fingerprint.
func (r *resident) print(files [32]byte) []byte {
	return fmt.Appendf(nil, "%x %s %s %d %v", files, r.info.Family, r.info.Device, r.info.SampleRate, r.gain)
}

// diskKey names a request's speech on disk.
func (o *order) diskKey(key string) [32]byte { return diskKey(o.r.print(o.r.files), key) }

func diskKey(print []byte, key string) [32]byte { return sha256.Sum256(append(print, key...)) }
