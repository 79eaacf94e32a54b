package inference

import (
	"slices"
	"strings"

	lru "github.com/hashicorp/golang-lru/v2"
)

// tokenizer remembers the tokens of whole messages: a conversation is rendered
// anew each turn, and only its last message is new.
//
// A text may be cut in front of a control token without changing its tokens:
// llama.cpp's tokenizers take control tokens out first and read what lies
// between them piece by piece. Whether that holds for a token of this very
// vocabulary (some swallow the space in front of them) is tried at start.
type tokenizer struct {
	model Model
	cuts  []string // texts of the control tokens that begin a message
	seen  *lru.Cache[string, []Token]
}

// Bounds of what is remembered: about 16 MiB of text at most.
const (
	maxSegments    = 512
	maxSegmentSize = 32 << 10
)

func newTokenizer(m Model) *tokenizer {
	t := &tokenizer{model: m, cuts: messageStarts(m)}
	if len(t.cuts) > 0 {
		t.seen, _ = lru.New[string, []Token](maxSegments) // fails for sizes below 1 only
	}
	return t
}

// tokenize returns the tokens of text. The caller owns them.
func (t *tokenizer) tokenize(text string, addSpecial, parseSpecial bool) ([]Token, error) {
	if len(t.cuts) == 0 || addSpecial || !parseSpecial {
		return t.model.Tokenize(nil, text, addSpecial, parseSpecial)
	}
	var out []Token
	for text != "" {
		var segment string
		segment, text = t.cut(text)
		if tokens, ok := t.seen.Get(segment); ok {
			out = append(out, tokens...)
			continue
		}
		from := len(out)
		var err error
		if out, err = t.model.Tokenize(out, segment, false, true); err != nil {
			return nil, err
		}
		// What ends the text is the answer's opening or a prompt without template.
		if len(segment) <= maxSegmentSize {
			t.seen.Add(strings.Clone(segment), slices.Clone(out[from:]))
		}
	}
	return out, nil
}

// cut splits text in front of the next message.
func (t *tokenizer) cut(text string) (segment, rest string) {
	at := len(text)
	for _, c := range t.cuts {
		if i := strings.Index(text[1:at], c); i >= 0 {
			at = i + 1
		}
	}
	return text[:at], text[at:]
}

// messageStarts returns the control tokens that the chat template writes and in
// front of which a text may be cut.
func messageStarts(m Model) []string {
	info := m.Info()
	var all, out []string
	for id := range info.VocabSize {
		if len(m.Piece(Token(id), false)) == 0 {
			if text := string(m.Piece(Token(id), true)); text != "" {
				all = append(all, text)
			}
		}
	}
	for _, text := range all {
		if len(text) > 3 && strings.Contains(info.ChatTemplate, text) && !overlaps(text, all) && cuttable(m, text) {
			out = append(out, text)
		}
	}
	return out
}

// overlaps tells whether another token's text could take some of this one's.
func overlaps(text string, all []string) bool {
	for _, o := range all {
		if o == text {
			continue
		}
		if strings.Contains(o, text) {
			return true
		}
		for n := 1; n < min(len(o), len(text)); n++ {
			if strings.HasSuffix(o, text[:n]) || strings.HasSuffix(text, o[:n]) {
				return true
			}
		}
	}
	return false
}

// cuttable tries texts around a cut both ways.
func cuttable(m Model, cut string) bool {
	for _, left := range []string{"one", "one ", " one.\n\n", "1\t ", cut + "two", cut} {
		for _, right := range []string{"two", " two", "\n two", ""} {
			whole, err := m.Tokenize(nil, left+cut+right, false, true)
			if err != nil {
				return false
			}
			parts, err := m.Tokenize(nil, left, false, true)
			if err == nil {
				parts, err = m.Tokenize(parts, cut+right, false, true)
			}
			if err != nil || !slices.Equal(whole, parts) {
				return false
			}
		}
	}
	return true
}
