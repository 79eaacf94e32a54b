package cmd

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// named is a NAME=PATH flag value. Without "=", the name is the file's base
// name; "none" switches the half off.
type named struct{ Name, Path string }

// UnmarshalText parses the flag.
func (n *named) UnmarshalText(b []byte) error {
	name, path, ok := strings.Cut(string(b), "=")
	if !ok {
		path = name
		base := filepath.Base(path)
		name = strings.TrimSuffix(base, filepath.Ext(base))
	}
	if name == "" || path == "" {
		return fmt.Errorf("%q: want NAME=PATH", b)
	}
	*n = named{name, path}
	return nil
}

// isNone tells whether a list is the single word "none".
func isNone(list []named) bool { return len(list) == 1 && list[0].Path == "none" }

// size is a number of bytes: 1024, 64KiB, 2GiB, 500MB.
type size int64

// UnmarshalText parses the flag.
func (s *size) UnmarshalText(b []byte) error {
	text := strings.TrimSpace(string(b))
	digits := strings.TrimRight(text, "KMGTiBkb")
	n, err := strconv.ParseFloat(digits, 64)
	units := map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
	unit, ok := units[strings.ToUpper(text[len(digits):])]
	if err != nil || !ok || n < 0 {
		return fmt.Errorf("%q: want a size such as 64MiB or 2GiB", text)
	}
	*s = size(n * unit)
	return nil
}
