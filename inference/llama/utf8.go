package llama

import "unicode/utf8"

// UTF8Holder cuts a stream of token pieces at character borders: bytes of a
// character that is not complete yet are held back. The zero value is ready. It
// belongs to one goroutine.
type UTF8Holder struct {
	held [utf8.UTFMax]byte
	n    int
}

// Push appends to dst what is complete after piece and returns it. A byte that
// can begin or go on no character is passed on as U+FFFD, so that the output is
// always valid UTF-8.
func (h *UTF8Holder) Push(dst, piece []byte) []byte {
	for len(piece) > 0 {
		if h.n == 0 {
			i := validPrefix(piece)
			dst = append(dst, piece[:i]...)
			if piece = piece[i:]; len(piece) == 0 {
				break
			}
		}
		h.held[h.n] = piece[0]
		h.n++
		piece = piece[1:]
		dst = h.settle(dst)
	}
	return dst
}

// settle passes on what the held bytes prove to be.
func (h *UTF8Holder) settle(dst []byte) []byte {
	for h.n > 0 && utf8.FullRune(h.held[:h.n]) {
		r, size := utf8.DecodeRune(h.held[:h.n])
		dst = utf8.AppendRune(dst, r)
		h.n = copy(h.held[:], h.held[size:h.n])
	}
	return dst
}

// Flush appends what is still held, as U+FFFD, and empties the holder.
func (h *UTF8Holder) Flush(dst []byte) []byte {
	if h.n > 0 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
		h.n = 0
	}
	return dst
}

// Held is how many bytes wait for the rest of their character.
func (h *UTF8Holder) Held() int { return h.n }

// validPrefix is the length of the longest prefix of whole, valid characters.
func validPrefix(b []byte) int {
	i := 0
	for i < len(b) {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size <= 1 {
			break
		}
		i += size
	}
	return i
}
