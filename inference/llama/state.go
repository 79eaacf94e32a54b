package llama

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
)

// ErrState means that a saved sequence cannot be used here.
var ErrState = errors.New("llama: saved sequence cannot be used")

// A saved sequence is this header and llama.cpp's own bytes:
//
//	0  magic "RPKV"    4  version (1)    8  fingerprint (8 bytes)
//	16 last position   20 reserved       24 length of the body (8 bytes)
//	32 CRC-32C of the body               36 CRC-32C of bytes 0 … 35
//
// The body is given to the library only when all of it is as it was written.
const (
	stateHeader  = 40
	stateVersion = 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealState writes the header in front of the body, which is there already.
func sealState(data []byte, fingerprint uint64, last Pos) {
	le, body := binary.LittleEndian, data[stateHeader:]
	copy(data, "RPKV")
	le.PutUint32(data[4:], stateVersion)
	le.PutUint64(data[8:], fingerprint)
	le.PutUint32(data[16:], uint32(last))
	le.PutUint32(data[20:], 0)
	le.PutUint64(data[24:], uint64(len(body)))
	le.PutUint32(data[32:], crc32.Checksum(body, castagnoli))
	le.PutUint32(data[36:], crc32.Checksum(data[:36], castagnoli))
}

// openState checks a saved sequence and returns its last position.
func openState(data []byte, fingerprint uint64) (last Pos, err error) {
	le := binary.LittleEndian
	switch {
	case len(data) <= stateHeader:
		return 0, fmt.Errorf("%d bytes are too few", len(data))
	case string(data[:4]) != "RPKV":
		return 0, errors.New("it does not begin as one")
	case crc32.Checksum(data[:36], castagnoli) != le.Uint32(data[36:]):
		return 0, errors.New("its header is damaged")
	case le.Uint32(data[4:]) != stateVersion:
		return 0, fmt.Errorf("version %d is not %d", le.Uint32(data[4:]), stateVersion)
	case le.Uint64(data[8:]) != fingerprint:
		return 0, errors.New("it was made with another model, library version or KV type")
	case le.Uint64(data[24:]) != uint64(len(data)-stateHeader):
		return 0, fmt.Errorf("%d bytes where %d were written", len(data)-stateHeader, le.Uint64(data[24:]))
	case crc32.Checksum(data[stateHeader:], castagnoli) != le.Uint32(data[32:]):
		return 0, errors.New("its checksum is wrong")
	}
	return Pos(le.Uint32(data[16:])), nil
}

// stateFingerprint folds what the layout and the meaning of the cells depend on.
func stateFingerprint(m *ModelInfo, p ContextParams, version string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s|%s|%s|%d|%d|%d|%d|%d|%d|%d|%d|%s|%s|%d|%v|%s", m.Architecture, m.Name, m.FileType, m.SizeBytes, m.Parameters,
		m.Embedding, m.Layers, m.Heads, m.HeadsKV, m.VocabSize, m.SlidingWindow, p.TypeK, p.TypeV, p.FlashAttn, p.SWAFull, version)
	return h.Sum64()
}
