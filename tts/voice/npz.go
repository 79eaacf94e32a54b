package voice

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// npyHeader finds type, order and shape in the header of a NumPy array file,
// which is a Python dictionary.
var npyHeader = regexp.MustCompile(`'descr':\s*'([^']*)'.*'fortran_order':\s*(True|False).*'shape':\s*\(([0-9, ]*)\)`)

// readNPZ reads an archive of NumPy arrays, each a speaker's style pack.
func readNPZ(b []byte) ([]style, error) {
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	var out []style
	total := uint64(0)
	for _, f := range z.File {
		if total += f.UncompressedSize64; total > maxStyles {
			return nil, fmt.Errorf("more than %d bytes when unpacked", maxStyles)
		}
		r, err := f.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		raw, err := io.ReadAll(io.LimitReader(r, maxStyles))
		_ = r.Close()
		if err == nil {
			var data []float32
			if data, err = readNPY(raw); err == nil {
				out = append(out, style{strings.TrimSuffix(f.Name, ".npy"), data})
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	slices.SortFunc(out, func(a, b style) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// readNPY reads an array of half, single or double precision whose last
// dimension is a style.
func readNPY(b []byte) ([]float32, error) {
	if len(b) < 12 || string(b[:6]) != "\x93NUMPY" {
		return nil, fmt.Errorf("not a NumPy array")
	}
	size, at := int(binary.LittleEndian.Uint16(b[8:])), 10
	if b[6] > 1 {
		size, at = int(binary.LittleEndian.Uint32(b[8:])), 12
	}
	if size < 0 || size > len(b)-at {
		return nil, fmt.Errorf("the header is cut off")
	}
	h := npyHeader.FindSubmatch(b[at : at+size])
	if h == nil || string(h[2]) != "False" {
		return nil, fmt.Errorf("the header is not that of an array in C order")
	}
	count, last := 1, 0
	for d := range strings.SplitSeq(string(h[3]), ",") {
		if d = strings.TrimSpace(d); d == "" {
			continue
		}
		n, err := strconv.Atoi(d)
		if err != nil || n <= 0 || n > maxStyles || count > maxStyles/n {
			return nil, fmt.Errorf("shape (%s)", h[3])
		}
		count, last = count*n, n
	}
	data := b[at+size:]
	width := map[string]int{"<f2": 2, "<f4": 4, "<f8": 8}[string(h[1])]
	if width == 0 || last != styleWidth || len(data) < count*width {
		return nil, fmt.Errorf("type %s, shape (%s), %d bytes: want floats in rows of %d", h[1], h[3], len(data), styleWidth)
	}
	if width == 4 {
		return floats(data[:count*4])
	}
	out := make([]float32, count)
	for i := range out {
		if width == 2 {
			out[i] = half(binary.LittleEndian.Uint16(data[2*i:]))
		} else {
			out[i] = float32(math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])))
		}
		if x := float64(out[i]); math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, fmt.Errorf("number %d is %v", i, x)
		}
	}
	return out, nil
}

// half is a half-precision number (IEEE 754 binary16).
func half(h uint16) float32 {
	sign, exp, frac := 1.0, int(h>>10&31), float64(h&1023)
	if h>>15 != 0 {
		sign = -1
	}
	switch exp {
	case 0:
		return float32(sign * math.Ldexp(frac, -24))
	case 31:
		if frac != 0 {
			return float32(math.NaN())
		}
		return float32(math.Inf(int(sign)))
	}
	return float32(sign * math.Ldexp(1024+frac, exp-25))
}
