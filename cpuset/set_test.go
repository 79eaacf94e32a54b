package cpuset

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Set{
		"": nil, " ": nil, "3": {3}, "0-3": {0, 1, 2, 3}, "0-1,4": {0, 1, 4}, "4,0-1, 1": {0, 1, 4},
		"0-7:2/4": {0, 1, 4, 5}, "8-15,0": {0, 8, 9, 10, 11, 12, 13, 14, 15}, "1023": {1023},
	} {
		if got, err := Parse(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("Parse(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"a", "-1", "3-1", "0-", ",", "0,,1", "1024", "0-9:2", "0-9:0/2", "0-9:3/2", "4:1/2", "99999999999", "0x1", "1.5"} {
		got, err := Parse(text)
		if err == nil {
			t.Errorf("Parse(%q) = %v, want an error", text, got)
		} else if !strings.Contains(err.Error(), "0-7,16-23") {
			t.Errorf("Parse(%q): %q does not say what would be right", text, err)
		}
	}
}

// TestSets compares the operations with a model of bits.
func TestSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (Set, [64]bool) {
			var bits [64]bool
			var s Set
			for _, c := range rapid.SliceOfN(rapid.IntRange(0, 63), 0, 40).Draw(t, name) {
				bits[c] = true
			}
			for c, on := range bits {
				if on {
					s = append(s, c)
				}
			}
			return s, bits
		}
		a, inA := draw("a")
		b, inB := draw("b")
		back, err := Parse(a.String())
		if err != nil || !slices.Equal(back, a) {
			t.Fatalf("Parse(%q) = %v, %v, want %v", a.String(), back, err, a)
		}
		both, less := a.And(b), a.Without(b)
		for c := range 64 {
			if a.Has(c) != inA[c] || both.Has(c) != (inA[c] && inB[c]) || less.Has(c) != (inA[c] && !inB[c]) {
				t.Fatalf("CPU %d: a %v, b %v, and %v, without %v", c, a, b, both, less)
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "0-7,16-23", "0-1023:2/256", "1,,", "-", "5-2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		if !slices.IsSorted(s) || len(slices.Compact(slices.Clone(s))) != len(s) {
			t.Fatalf("Parse(%q) = %v, not ascending", text, s)
		}
		again, err := Parse(s.String())
		if err != nil || !slices.Equal(again, s) {
			t.Fatalf("Parse(%q) = %v, %v after %v", s.String(), again, err, s)
		}
	})
}
