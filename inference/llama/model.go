package llama

import "maps"

// Model is a loaded GGUF file. Every method may be called from any goroutine;
// Close must come last.
type Model struct {
	native nativeModel
	info   ModelInfo
	meta   map[string]string
	pieces pieces
}

// Info says what the file says of itself. The EOG slice is shared and must not
// be changed.
func (m *Model) Info() ModelInfo { return m.info }

// Meta is a copy of the file's metadata as text; arrays are left out by the
// library or shortened.
func (m *Model) Meta() map[string]string { return maps.Clone(m.meta) }

// Piece is the text of a token: bytes that may begin or end inside a UTF-8
// character. Control tokens are nil unless special; so is a token outside the
// vocabulary. The bytes belong to the model and must not be changed. It needs no
// C call and no memory.
func (m *Model) Piece(t Token, special bool) []byte { return m.pieces.get(t, special) }

// IsEOG says whether a token ends a generation.
func (m *Model) IsEOG(t Token) bool { return m.pieces.eog(t) }
