package llama

// pieces is the text of every token, made once at load: one run of bytes and
// where each token begins in it. Reading it needs neither C nor memory.
type pieces struct {
	text   []byte
	offset []int64 // VocabSize + 1 entries
	attr   []uint8
}

// Bits of pieces.attr.
const (
	attrControl = 1 << iota
	attrEOG
)

func (p *pieces) get(t Token, special bool) []byte {
	if t < 0 || int(t) >= len(p.attr) || !special && p.attr[t]&attrControl != 0 {
		return nil
	}
	return p.text[p.offset[t]:p.offset[t+1]:p.offset[t+1]]
}

func (p *pieces) eog(t Token) bool {
	return t >= 0 && int(t) < len(p.attr) && p.attr[t]&attrEOG != 0
}

// Detokenize joins the pieces of tokens. Control tokens are left out unless
// special. The result may begin or end inside a UTF-8 character when the tokens
// do; see UTF8Holder for streams.
func (m *Model) Detokenize(dst []byte, tokens []Token, special bool) []byte {
	for _, t := range tokens {
		dst = append(dst, m.Piece(t, special)...)
	}
	return dst
}
