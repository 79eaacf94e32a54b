package tier

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"repartee/kvcache"
)

// rootKey is the key of a namespace's root.
func (s *Store) rootKey(space string) Key {
	return sha256.Sum256(append(s.cfg.Fingerprint[:len(s.cfg.Fingerprint):len(s.cfg.Fingerprint)], space...))
}

// pieceKey is the key of the run behind a parent.
func pieceKey(parent Key, tokens []kvcache.Token) Key {
	var room [sha256.Size + 4*Block]byte
	b := append(room[:0], parent[:]...)
	for _, t := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	return sha256.Sum256(b)
}

// common returns the length of the common prefix of two runs.
func common(a, b []kvcache.Token) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// step returns the child of p that serves tokens furthest, and how far; one in
// host memory before one in a file.
func (p *piece) step(tokens []kvcache.Token) (best *piece, n int) {
	for _, c := range p.children {
		k := common(c.tokens, tokens)
		if k > n || k == n && k > 0 && best.data == nil && c.data != nil {
			best, n = c, k
		}
	}
	return best, n
}

// at returns the piece of a path that begins at position start, and how many of
// its tokens the path has; nil = none.
func (s *Store) at(space string, tokens []kvcache.Token, start int) (*piece, int) {
	p := s.roots[s.rootKey(space)]
	for pos := 0; p != nil && pos < len(tokens); pos += Block {
		c, k := p.step(tokens[pos:])
		if c == nil || pos == start {
			return c, k
		}
		if k < Block {
			return nil, 0
		}
		p = c
	}
	return nil, 0
}

// Found says how much of a path a store holds.
type Found struct {
	Tokens     int // leading tokens that can be restored
	Host, Disk int64
	DiskPieces int // pieces of it that must be fetched first
}

// Match looks a path up from position `from` on, rounded down to where a piece
// begins: bytes are counted only behind it.
func (s *Store) Match(space string, tokens []kvcache.Token, from int) (f Found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.roots[s.rootKey(space)]
	for pos := 0; p != nil && pos < len(tokens); pos += Block {
		c, k := p.step(tokens[pos:])
		if c == nil {
			break
		}
		f.Tokens = pos + k
		switch {
		case pos+Block <= from:
		case c.data != nil:
			f.Host += c.bytes
		default:
			f.Disk += c.file
			f.DiskPieces++
		}
		if k < Block {
			break
		}
		p = c
	}
	return f
}

// ErrGone means that the piece, or one before it, is not in host memory.
var ErrGone = errors.New("tier: the piece is not in memory")

// Use calls f with the bytes of the piece that begins at position start of a path,
// the positions it covers, and returns how many of its tokens the path has. f must
// not keep the bytes.
func (s *Store) Use(space string, tokens []kvcache.Token, start int, f func(data []byte, run []kvcache.Token) error) (int, error) {
	s.mu.Lock()
	p, n := s.at(space, tokens, start)
	if p == nil || p.data == nil {
		s.mu.Unlock()
		return 0, ErrGone
	}
	p.pins++
	p.hits++
	p.clock = s.clock
	p.failed = false
	s.mu.Unlock()
	err := f(p.data, p.tokens)
	s.mu.Lock()
	s.unpin(p)
	s.mu.Unlock()
	return n, err
}

// Forget drops the piece that begins at position start of a path, with all that
// follow it: it could not be used.
func (s *Store) Forget(space string, tokens []kvcache.Token, start int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, _ := s.at(space, tokens, start); p != nil {
		s.stats.Refused++
		s.remove(p)
	}
	s.verify()
}
