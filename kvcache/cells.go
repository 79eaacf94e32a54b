package kvcache

import "math/bits"

// cellSet is the set of free cells, with a summary level above the words, so
// that the next free cell is found in a few steps even among a million.
type cellSet struct {
	size    int
	free    int
	words   []uint64 // bit set = cell is free
	summary []uint64 // bit set = that word has a free cell
	counts  []int32  // free cells below each word of the summary
}

func newCellSet(size int) *cellSet {
	n := (size + 63) / 64
	s := &cellSet{size: size, words: make([]uint64, n), summary: make([]uint64, (n+63)/64), counts: make([]int32, (n+63)/64)}
	for c := range size {
		s.put(int32(c))
	}
	return s
}

// take returns the lowest free cell at or above from and marks it used, or −1.
func (s *cellSet) take(from int32) int32 {
	c := s.next(from)
	if c >= 0 {
		w := c / 64
		s.words[w] &^= 1 << (c % 64)
		if s.words[w] == 0 {
			s.summary[w/64] &^= 1 << (w % 64)
		}
		s.counts[w/64]--
		s.free--
	}
	return c
}

// next returns the lowest free cell at or above from, or −1.
func (s *cellSet) next(from int32) int32 {
	if int(from) >= s.size {
		return -1
	}
	w := int(from / 64)
	if rest := s.words[w] >> (from % 64) << (from % 64); rest != 0 {
		return int32(w*64 + bits.TrailingZeros64(rest))
	}
	w++
	for sw := w / 64; sw < len(s.summary); sw++ {
		rest := s.summary[sw]
		if sw == w/64 {
			rest = rest >> (w % 64) << (w % 64)
		}
		if rest != 0 {
			w = sw*64 + bits.TrailingZeros64(rest)
			return int32(w*64 + bits.TrailingZeros64(s.words[w]))
		}
	}
	return -1
}

// put marks a used cell free.
func (s *cellSet) put(c int32) {
	w := c / 64
	s.words[w] |= 1 << (c % 64)
	s.summary[w/64] |= 1 << (w % 64)
	s.counts[w/64]++
	s.free++
}

// isFree tells whether a cell is free.
func (s *cellSet) isFree(c int32) bool {
	return s.words[c/64]&(1<<(c%64)) != 0
}

// hasAbove tells whether n cells or more are free from `from` on.
func (s *cellSet) hasAbove(from int32, n int) bool {
	if n <= 0 {
		return true
	}
	if int(from) >= s.size || s.free < n {
		return false
	}
	w := int(from / 64)
	n -= bits.OnesCount64(s.words[w] >> (from % 64))
	for w++; n > 0 && w < len(s.words) && w%64 != 0; w++ {
		n -= bits.OnesCount64(s.words[w])
	}
	for b := (w + 63) / 64; n > 0 && b < len(s.counts); b++ {
		n -= int(s.counts[b])
	}
	return n <= 0
}

// above counts the free cells from `from` on.
func (s *cellSet) above(from int32) int {
	if int(from) >= s.size {
		return 0
	}
	w := int(from / 64)
	n := bits.OnesCount64(s.words[w] >> (from % 64))
	for w++; w < len(s.words) && w%64 != 0; w++ {
		n += bits.OnesCount64(s.words[w])
	}
	for b := (w + 63) / 64; b < len(s.counts); b++ {
		n += int(s.counts[b])
	}
	return n
}

// highest returns the highest used cell, or −1 when all are free.
func (s *cellSet) highest() int32 {
	for w := len(s.words) - 1; w >= 0; w-- {
		used := ^s.words[w]
		if last := s.size - w*64; last < 64 {
			used &= 1<<last - 1
		}
		if used != 0 {
			return int32(w*64 + 63 - bits.LeadingZeros64(used))
		}
	}
	return -1
}
