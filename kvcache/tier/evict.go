package tier

import (
	"cmp"
	"fmt"
	"slices"
)

// reread is what bringing a token back from a file costs, in units of computing it
// at depth 0: what has a file is worth less memory.
const reread = 0.1

// worth is a piece's value in memory, as greedy-dual-size-frequency has it
// (Cherkasova 1998): pieces are of one size, so cost a token × uses.
func (s *Store) worth(p *piece) float64 {
	if p.file > 0 {
		return p.clock + float64(1+p.hits)*reread
	}
	return s.value(p)
}

// value is a piece's worth to be held at all.
func (s *Store) value(p *piece) float64 {
	return p.clock + float64(1+p.hits)*s.cfg.Cost(p.end())
}

// makeRoom evicts until size more bytes fit into host memory, and tells whether
// they do.
func (s *Store) makeRoom(size int64) bool {
	size = rounded(size)
	if size > s.cfg.Host {
		return false
	}
	for s.host+size > s.cfg.Host {
		// One pass over all pieces frees at least a thirty-second of the tier.
		goal := s.cfg.Host - max(size, s.cfg.Host/32)
		var out []*piece
		for _, p := range s.all {
			if p.data != nil && p.pins == 0 && (p.file > 0 || len(p.children) == 0) {
				out = append(out, p)
			}
		}
		if len(out) == 0 {
			return false
		}
		sortBy(out, s.worth)
		for _, p := range out {
			if s.host <= goal {
				break
			}
			s.clock = max(s.clock, s.worth(p))
			s.stats.HostEvicted++
			if p.file > 0 {
				s.dropData(p)
			} else {
				s.remove(p)
			}
		}
	}
	s.verify()
	return true
}

// makeDiskRoom has files of pieces that are worth less than below removed until size
// more bytes fit, and tells whether they do.
func (s *Store) makeDiskRoom(size int64, below float64) bool {
	if size > s.diskCap {
		return false
	}
	for s.disk+size > s.diskCap {
		goal := s.diskCap - max(size, s.diskCap/32)
		var out []*piece
		for _, p := range s.all {
			if p.file > 0 && p.pins == 0 && s.value(p) < below && (p.data != nil || len(p.children) == 0) && !p.childOnDisk() {
				out = append(out, p)
			}
		}
		if len(out) == 0 {
			return false
		}
		sortBy(out, s.value)
		for _, p := range out {
			if s.disk <= goal {
				break
			}
			s.clock = max(s.clock, s.value(p))
			s.stats.DiskEvicted++
			if p.data != nil {
				s.dropFile(p)
			} else {
				s.remove(p)
			}
		}
	}
	s.verify()
	return true
}

// sortBy puts the least first, the longer path first among equals.
func sortBy(ps []*piece, worth func(*piece) float64) {
	slices.SortFunc(ps, func(a, b *piece) int {
		return cmp.Or(cmp.Compare(worth(a), worth(b)), cmp.Compare(b.start, a.start))
	})
}

func (p *piece) childOnDisk() bool {
	return slices.ContainsFunc(p.children, func(c *piece) bool { return c.file > 0 })
}

// allocate takes a buffer of at least size bytes from outside the collector's heap,
// where gigabytes would let it grow to twice as much.
func (s *Store) allocate(size int) []byte {
	want := int(rounded(int64(size)))
	for i, b := range s.spare {
		if len(b) == want {
			s.spare = slices.Delete(s.spare, i, i+1)
			return b
		}
	}
	if s.cfg.Memory != nil {
		if b := s.cfg.Memory.Take(want); b != nil {
			s.taken[&b[0]] = true
			s.stats.PinnedBytes += int64(len(b))
			return b
		}
	}
	return mapMemory(want)
}

// free gives a buffer to where it came from.
func (s *Store) free(b []byte) {
	if at := &b[0]; s.taken[at] {
		delete(s.taken, at)
		s.stats.PinnedBytes -= int64(len(b))
		s.cfg.Memory.Give(b)
		return
	}
	unmapMemory(b)
}

// release gives a buffer back.
func (s *Store) release(b []byte) {
	if len(s.spare) < 8 && !s.closing {
		s.spare = append(s.spare, b)
		return
	}
	s.free(b)
}

// rounded is a size in whole pages.
func rounded(n int64) int64 { return (n + 4095) &^ 4095 }

// check verifies the whole structure and says what is wrong.
func (s *Store) check() error {
	var host, disk, hostTokens, diskTokens int64
	count := 0
	var walk func(p *piece) error
	walk = func(p *piece) error {
		for _, c := range p.children {
			count++
			switch {
			case c.parent != p || c.gone || s.all[c.index] != c:
				return fmt.Errorf("tier: piece at %d is out of place", c.start)
			case p.parent != nil && len(p.tokens) != Block:
				return fmt.Errorf("tier: piece at %d with %d tokens has children", p.start, len(p.tokens))
			case c.start != p.end() || len(c.tokens) == 0 || len(c.tokens) > Block:
				return fmt.Errorf("tier: piece at %d with %d tokens below one that ends at %d", c.start, len(c.tokens), p.end())
			case c.key != pieceKey(p.key, c.tokens):
				return fmt.Errorf("tier: piece at %d has another's key", c.start)
			case c.data == nil && c.file == 0:
				return fmt.Errorf("tier: piece at %d is nowhere", c.start)
			case c.file > 0 && p.parent != nil && p.file == 0:
				return fmt.Errorf("tier: piece at %d has a file, the one before has none", c.start)
			}
			if c.data != nil {
				host, hostTokens = host+c.bytes, hostTokens+int64(len(c.tokens))
			}
			if c.file > 0 {
				disk, diskTokens = disk+c.file, diskTokens+int64(len(c.tokens))
			}
			if err := walk(c); err != nil {
				return err
			}
		}
		return nil
	}
	for _, r := range s.roots {
		if err := walk(r); err != nil {
			return err
		}
	}
	switch {
	case count != len(s.all):
		return fmt.Errorf("tier: %d pieces in the tree, %d in the list", count, len(s.all))
	case disk != s.disk || diskTokens != s.stats.DiskTokens:
		return fmt.Errorf("tier: files have %d bytes and %d tokens, counted %d and %d", disk, diskTokens, s.disk, s.stats.DiskTokens)
	case host > s.host || hostTokens > s.stats.HostTokens: // more while a piece is filled or in use behind its end
		return fmt.Errorf("tier: memory has %d bytes and %d tokens, counted %d and %d", host, hostTokens, s.host, s.stats.HostTokens)
	case s.host > s.cfg.Host || s.disk > s.cfg.Disk:
		return fmt.Errorf("tier: %d of %d bytes in memory, %d of %d in files", s.host, s.cfg.Host, s.disk, s.cfg.Disk)
	}
	return nil
}
