package tier

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"path/filepath"
	"strings"

	"repartee/kvcache"
)

// A file is this header, the tokens, and the piece's bytes:
//
//	0   magic "RPTIER1\n"       8   fingerprint (32 bytes)
//	40  key of the piece before 72  own key
//	104 first position          108 number of tokens
//	112 length of the bytes (8) 120 CRC-32C of the bytes
//	124 CRC-32C of 0 … 123 and of the tokens
const (
	fileMagic  = "RPTIER1\n"
	fileHeader = 128
	mostHeader = fileHeader + 4*Block
	suffix     = ".kv"
	unfinished = ".new"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// header is what a file says of its piece.
type header struct {
	parent, key Key
	start       int
	tokens      []kvcache.Token
	bytes       int64
	sum         uint32
}

// length is where the piece's bytes begin.
func (h *header) length() int { return fileHeader + 4*len(h.tokens) }

func fileName(k Key) string { return hex.EncodeToString(k[:16]) + suffix }

func (s *Store) path(name string) string { return filepath.Join(s.cfg.Dir, name) }

// encode returns the header and tokens of a piece's file.
func encode(print [32]byte, p *piece, data []byte) []byte {
	le := binary.LittleEndian
	b := make([]byte, fileHeader, fileHeader+4*len(p.tokens))
	copy(b, fileMagic)
	copy(b[8:], print[:])
	copy(b[40:], p.parent.key[:])
	copy(b[72:], p.key[:])
	le.PutUint32(b[104:], uint32(p.start))
	le.PutUint32(b[108:], uint32(len(p.tokens)))
	le.PutUint64(b[112:], uint64(len(data)))
	le.PutUint32(b[120:], crc32.Checksum(data, castagnoli))
	for _, t := range p.tokens {
		b = le.AppendUint32(b, uint32(t))
	}
	le.PutUint32(b[124:], headerSum(b))
	return b
}

func headerSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:124], castagnoli), castagnoli, b[fileHeader:])
}

// decode reads the beginning of a file of size bytes.
func decode(print [32]byte, b []byte, size int64) (h header, err error) {
	le := binary.LittleEndian
	if len(b) < fileHeader || string(b[:8]) != fileMagic {
		return h, errors.New("it does not begin as a saved piece")
	}
	start, n := le.Uint32(b[104:]), le.Uint32(b[108:])
	if n == 0 || n > Block || start%Block != 0 || start > 1<<30 || len(b) < fileHeader+4*int(n) {
		return h, errors.New("its positions are no piece's")
	}
	b = b[:fileHeader+4*n]
	if headerSum(b) != le.Uint32(b[124:]) {
		return h, errors.New("its header is damaged")
	}
	if [32]byte(b[8:40]) != print {
		return h, errors.New("it was made with another model, library version or KV type")
	}
	h = header{parent: Key(b[40:72]), key: Key(b[72:104]), start: int(start), bytes: int64(le.Uint64(b[112:])), sum: le.Uint32(b[120:])}
	for i := range int(n) {
		h.tokens = append(h.tokens, kvcache.Token(le.Uint32(b[fileHeader+4*i:])))
	}
	switch {
	case h.key != pieceKey(h.parent, h.tokens):
		return h, errors.New("its key is not that of its tokens")
	case h.bytes < 0 || h.bytes != size-int64(len(b)):
		return h, fmt.Errorf("it has %d bytes where %d were written", size-int64(len(b)), h.bytes)
	}
	return h, nil
}

// openDir takes the directory and reads what is in it.
func (s *Store) openDir() error {
	fs := s.cfg.FS
	if err := fs.MakeDir(s.cfg.Dir); err != nil {
		return err
	}
	lock, err := fs.Lock(s.cfg.Dir)
	if err != nil {
		return err
	}
	entries, err := fs.List(s.cfg.Dir)
	if err != nil {
		return errors.Join(err, lock.Close())
	}
	s.lock = lock
	waiting := map[Key][]*piece{} // by the key of the piece before
	at := make([]byte, mostHeader)
	for _, e := range entries {
		switch {
		case strings.HasSuffix(e.Name, unfinished):
			_ = fs.Remove(s.path(e.Name)) // tried again at the next start
			continue
		case !strings.HasSuffix(e.Name, suffix):
			continue
		}
		n, err := fs.Read(s.path(e.Name), at)
		var h header
		if err == nil {
			h, err = decode(s.cfg.Fingerprint, at[:n], e.Size)
		}
		if err != nil || fileName(h.key) != e.Name {
			s.stats.Refused++
			_ = fs.Remove(s.path(e.Name)) // as above
			continue
		}
		waiting[h.parent] = append(waiting[h.parent], &piece{key: h.key, start: h.start, tokens: h.tokens, file: e.Size})
	}
	s.plant(waiting)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeDiskRoom(0, math.Inf(1))
	s.collect()
	return nil
}

// plant makes the tree of what files hold; files whose beginning is missing go.
func (s *Store) plant(waiting map[Key][]*piece) {
	var hang func(parent *piece)
	hang = func(parent *piece) {
		for _, p := range waiting[parent.key] {
			if p.start != parent.end() || parent.parent != nil && len(parent.tokens) != Block {
				continue
			}
			p.parent = parent
			s.attach(p)
			s.disk += p.file
			s.stats.DiskTokens += int64(len(p.tokens))
			hang(p)
		}
	}
	for key, ps := range waiting {
		for _, p := range ps {
			if p.start == 0 && s.roots[key] == nil {
				s.roots[key] = &piece{key: key}
				hang(s.roots[key])
				s.sweepRoot(s.roots[key])
			}
		}
	}
	for _, ps := range waiting {
		for _, p := range ps {
			if p.parent == nil {
				s.garbage = append(s.garbage, fileName(p.key))
			}
		}
	}
}

// collect removes the files that nobody wants any more. The lock is held, and
// given up meanwhile.
func (s *Store) collect() {
	for len(s.garbage) > 0 {
		names := s.garbage
		s.garbage = nil
		s.mu.Unlock()
		for _, n := range names {
			_ = s.cfg.FS.Remove(s.path(n)) // found again at the next start
		}
		s.mu.Lock()
	}
}
