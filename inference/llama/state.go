package llama

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"os"
)

// ErrState means that a saved sequence cannot be used here.
var ErrState = errors.New("llama: saved sequence cannot be used")

// A saved piece of a sequence is this header and llama.cpp's own bytes:
//
//	0  magic "RPKV"    4  version (2)    8  fingerprint (8 bytes)
//	16 first position  20 end position   24 length of the body (8 bytes)
//	32 CRC-32C of the body               36 CRC-32C of bytes 0 … 35
//
// The body is given to the library only when all of it is as it was written.
const (
	stateHeader  = 40
	stateVersion = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealState writes the header in front of the body, which is there already.
func sealState(data []byte, fingerprint uint64, p0, p1 Pos) {
	le, body := binary.LittleEndian, data[stateHeader:]
	copy(data, "RPKV")
	le.PutUint32(data[4:], stateVersion)
	le.PutUint64(data[8:], fingerprint)
	le.PutUint32(data[16:], uint32(p0))
	le.PutUint32(data[20:], uint32(p1))
	le.PutUint64(data[24:], uint64(len(body)))
	le.PutUint32(data[32:], crc32.Checksum(body, castagnoli))
	le.PutUint32(data[36:], crc32.Checksum(data[:36], castagnoli))
}

// openState checks a saved piece and returns its positions, p0 … p1−1.
func openState(data []byte, fingerprint uint64) (p0, p1 Pos, err error) {
	le := binary.LittleEndian
	refuse := func(format string, args ...any) (Pos, Pos, error) {
		return 0, 0, fmt.Errorf(format, args...)
	}
	switch {
	case len(data) <= stateHeader:
		return refuse("%d bytes are too few", len(data))
	case string(data[:4]) != "RPKV":
		return refuse("it does not begin as one")
	case crc32.Checksum(data[:36], castagnoli) != le.Uint32(data[36:]):
		return refuse("its header is damaged")
	case le.Uint32(data[4:]) != stateVersion:
		return refuse("version %d is not %d", le.Uint32(data[4:]), stateVersion)
	case le.Uint64(data[8:]) != fingerprint:
		return refuse("it was made with another model, library version or KV type")
	case le.Uint64(data[24:]) != uint64(len(data)-stateHeader):
		return refuse("%d bytes where %d were written", len(data)-stateHeader, le.Uint64(data[24:]))
	case crc32.Checksum(data[stateHeader:], castagnoli) != le.Uint32(data[32:]):
		return refuse("its checksum is wrong")
	}
	p0, p1 = Pos(le.Uint32(data[16:])), Pos(le.Uint32(data[20:]))
	if p0 < 0 || p1 <= p0 {
		return refuse("positions %d … %d are no range", p0, p1)
	}
	return p0, p1, nil
}

// sampleFile writes a megabyte of a file, in blocks spread over it, to h: two
// models of one size and name differ in their weights. A file that cannot be read
// any more adds nothing.
func sampleFile(h io.Writer, path string) {
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return
	}
	const blocks = 256
	block := make([]byte, 4096)
	for i := range int64(blocks) {
		n, _ := f.ReadAt(block, info.Size()/blocks*i)
		_, _ = h.Write(block[:n])
	}
}

// stateFingerprint folds what the layout and the meaning of the cells depend on.
func stateFingerprint(m *ModelInfo, p ContextParams, version string) uint64 {
	h := fnv.New64a()
	sampleFile(h, m.Path)
	fmt.Fprintf(h, "%s|%s|%s|%d|%d|%d|%d|%d|%d|%d|%d|%s|%s|%d|%v|%s", m.Architecture, m.Name, m.FileType, m.SizeBytes, m.Parameters,
		m.Embedding, m.Layers, m.Heads, m.HeadsKV, m.VocabSize, m.SlidingWindow, p.TypeK, p.TypeV, p.FlashAttn, p.SWAFull, version)
	return h.Sum64()
}
