package kvcache

import (
	"testing"

	"pgregory.net/rapid"
)

func TestCellSetAgainstSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 9000).Draw(t, "size")
		s, free := newCellSet(size), make([]bool, size)
		for i := range free {
			free[i] = true
		}
		next := func(from int) int32 {
			for i := from; i < size; i++ {
				if free[i] {
					return int32(i)
				}
			}
			return -1
		}
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			from := rapid.IntRange(0, size+1).Draw(t, "from")
			for range rapid.IntRange(1, 300).Draw(t, "takes") {
				want := next(from)
				if got := s.take(int32(from)); got != want {
					t.Fatalf("take(%d) = %d, want %d", from, got, want)
				}
				if want >= 0 {
					free[want] = false
				}
			}
			if c := rapid.IntRange(0, size-1).Draw(t, "put"); !free[c] {
				s.put(int32(c))
				free[c] = true
			}
			count, highest := 0, int32(-1)
			for i, f := range free {
				if f && i >= from {
					count++
				}
				if !f {
					highest = int32(i)
				}
			}
			if got := s.above(int32(from)); got != count {
				t.Fatalf("above(%d) = %d, want %d", from, got, count)
			}
			if got := s.highest(); got != highest {
				t.Fatalf("highest() = %d, want %d", got, highest)
			}
		}
	})
}
