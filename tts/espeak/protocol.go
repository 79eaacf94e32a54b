package espeak

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds of the protocol; the helper has the same.
const (
	maxRequest = 64 << 10
	maxAnswer  = 1 << 20
	maxVoice   = 64
)

// MaxSegment is the longest segment in bytes.
const MaxSegment = 8 << 10

// errRefused is an answer by which the helper says no; it stays usable.
type errRefused struct{ msg string }

func (e *errRefused) Error() string { return e.msg }

// appendRequest writes a request frame to b.
func appendRequest(b []byte, language string, segments []string) ([]byte, error) {
	if language == "" || len(language) > maxVoice {
		return nil, fmt.Errorf("language %q: must have 1 to %d bytes", language, maxVoice)
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0, byte(len(language)))
	b = append(b, language...)
	for _, s := range segments {
		if len(s) > MaxSegment {
			return nil, fmt.Errorf("segment of %d bytes: at most %d", len(s), MaxSegment)
		}
		b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
		b = append(b, s...)
	}
	n := len(b) - start - 4
	if n > maxRequest {
		return nil, fmt.Errorf("request of %d bytes: at most %d", n, maxRequest)
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(n))
	return b, nil
}

// readAnswer reads an answer frame; want is the number of segments asked for.
func readAnswer(r io.Reader, want int) ([]string, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:4])
	if n < 1 || n > maxAnswer {
		return nil, fmt.Errorf("answer of %d bytes: want 1 to %d", n, maxAnswer)
	}
	body := make([]byte, n-1)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	if head[4] != 0 {
		return nil, &errRefused{string(body)}
	}
	out := make([]string, 0, max(min(want, 64), 0))
	for len(body) > 0 {
		if len(body) < 2 {
			return nil, errors.New("answer ends inside a length")
		}
		l := int(binary.LittleEndian.Uint16(body))
		if l > len(body)-2 {
			return nil, errors.New("answer ends inside a segment")
		}
		out = append(out, string(body[2:2+l]))
		body = body[2+l:]
	}
	if len(out) != want {
		return nil, fmt.Errorf("answer has %d segments, want %d", len(out), want)
	}
	return out, nil
}
