package inference

import (
	"bytes"
	"unicode/utf8"
)

// textOut turns token bytes into text that may be sent: whole UTF-8
// characters, and nothing that may still become a stop string.
type textOut struct {
	stops [][]byte
	hold  []byte // not sent yet
	out   []byte // scratch: what push and flush return
}

func newTextOut(stops []string) textOut {
	t := textOut{}
	for _, s := range stops {
		if s != "" {
			t.stops = append(t.stops, []byte(s))
		}
	}
	return t
}

// push adds a token's bytes and returns what may be sent, valid until the next
// call, and the stop string that was met, if one was.
func (t *textOut) push(piece []byte) (send []byte, stop []byte) {
	t.hold = append(t.hold, piece...)
	at := -1
	for _, s := range t.stops {
		if i := bytes.Index(t.hold, s); i >= 0 && (at < 0 || i < at) {
			at, stop = i, s
		}
	}
	if stop != nil {
		t.hold = t.hold[:at]
		return t.flush(), stop
	}
	keep := t.unfinished()
	for _, s := range t.stops {
		for k := min(len(s)-1, len(t.hold)); k > keep; k-- {
			if bytes.HasSuffix(t.hold, s[:k]) {
				keep = k
				break
			}
		}
	}
	n := len(t.hold) - keep
	t.out = appendValid(t.out[:0], t.hold[:n])
	t.hold = append(t.hold[:0], t.hold[n:]...)
	return t.out, nil
}

// flush returns all that is held back; a character cut off at the end becomes
// U+FFFD.
func (t *textOut) flush() []byte {
	n := len(t.hold) - t.unfinished()
	t.out = appendValid(t.out[:0], t.hold[:n])
	if n < len(t.hold) {
		t.out = utf8.AppendRune(t.out, utf8.RuneError)
	}
	t.hold = t.hold[:0]
	return t.out
}

// unfinished returns how many bytes at the end begin a character that further
// bytes may complete.
func (t *textOut) unfinished() int {
	for k := 1; k <= min(utf8.UTFMax-1, len(t.hold)); k++ {
		if tail := t.hold[len(t.hold)-k:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				return k
			}
			return 0
		}
	}
	return 0
}

// appendValid appends b to dst with U+FFFD for every byte that is part of no
// character.
func appendValid(dst, b []byte) []byte {
	if utf8.Valid(b) {
		return append(dst, b...)
	}
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		dst = utf8.AppendRune(dst, r)
		b = b[n:]
	}
	return dst
}
