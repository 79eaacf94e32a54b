package cpuset

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// maxCPU is above the largest number a CPU may have: what one affinity mask of
// Linux holds in its usual size (CPU_SETSIZE).
const maxCPU = 1024

// Set is some CPUs by the system's numbers, ascending, each once. Empty stands for
// all that the process may use.
type Set []int

// Parse reads a list as Linux writes them: "0-7,16-23", "3", "0-31:2/4" (of each
// four the first two). An empty text is the empty set.
func Parse(text string) (Set, error) {
	var s Set
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		span, pattern, grouped := strings.Cut(item, ":")
		from, to, ranged := strings.Cut(span, "-")
		first, ok := number(from)
		last := first
		if ok && ranged {
			last, ok = number(to)
		}
		used, group := 1, 1
		if ok && grouped {
			a, b, both := strings.Cut(pattern, "/")
			used, ok = number(a)
			if ok && both {
				group, ok = number(b)
			}
			ok = ok && both && ranged && used > 0 && used <= group
		}
		if !ok || first > last {
			return nil, fmt.Errorf("%q in %q: want numbers and ranges of CPUs below %d such as 0-7,16-23", item, text, maxCPU)
		}
		for c := first; c <= last; c++ {
			if (c-first)%group < used {
				s = append(s, c)
			}
		}
	}
	slices.Sort(s)
	return slices.Compact(s), nil
}

// Of is the set of some CPUs in any order.
func Of(cpus []int) Set {
	s := slices.Clone(Set(cpus))
	slices.Sort(s)
	return slices.Compact(s)
}

// number reads a CPU's number.
func number(text string) (int, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 32)
	return int(n), err == nil && n < maxCPU
}

// UnmarshalText is Parse, for flags.
func (s *Set) UnmarshalText(b []byte) error {
	got, err := Parse(string(b))
	if err == nil {
		*s = got
	}
	return err
}

// String writes the set as Parse reads it.
func (s Set) String() string {
	var b strings.Builder
	for i := 0; i < len(s); {
		j := i
		for j+1 < len(s) && s[j+1] == s[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(s[i]))
		if j > i {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(s[j]))
		}
		i = j + 1
	}
	return b.String()
}

// Has tells whether a CPU is in the set.
func (s Set) Has(cpu int) bool {
	_, ok := slices.BinarySearch(s, cpu)
	return ok
}

// Without is what of s is not in o.
func (s Set) Without(o Set) Set {
	var out Set
	for _, c := range s {
		if !o.Has(c) {
			out = append(out, c)
		}
	}
	return out
}

// And is what s and o have in common.
func (s Set) And(o Set) Set {
	var out Set
	for _, c := range s {
		if o.Has(c) {
			out = append(out, c)
		}
	}
	return out
}

// online is every CPU that the Go runtime counts.
func online() Set {
	s := make(Set, runtime.NumCPU())
	for c := range s {
		s[c] = c
	}
	return s
}
