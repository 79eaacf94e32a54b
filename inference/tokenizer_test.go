package inference

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"repartee/inference/llama"
)

// markModel has two control tokens and merges pairs of equal letters, so that a
// cut in the wrong place would show. The second control token swallows the
// spaces in front of it.
type markModel struct {
	fakeModel
	calls int
}

const (
	openMark  = "<|open|>"
	greedMark = "<|greed|>"
)

func (m *markModel) Info() llama.ModelInfo {
	return llama.ModelInfo{VocabSize: 1024, ChatTemplate: openMark + " and " + greedMark}
}

func (m *markModel) Piece(t Token, special bool) []byte {
	switch {
	case t == 1000 && special:
		return []byte(openMark)
	case t == 1001 && special:
		return []byte(greedMark)
	case t >= 1000:
		return nil
	}
	return []byte{byte(t)}
}

func (m *markModel) Tokenize(dst []Token, text string, _, special bool) ([]Token, error) {
	m.calls++
	for text != "" {
		switch {
		case special && strings.HasPrefix(text, openMark):
			dst, text = append(dst, 1000), text[len(openMark):]
		case special && strings.HasPrefix(strings.TrimLeft(text, " "), greedMark):
			dst, text = append(dst, 1001), strings.TrimLeft(text, " ")[len(greedMark):]
		case len(text) > 1 && text[0] == text[1]:
			dst, text = append(dst, 256+Token(text[0])), text[2:]
		default:
			dst, text = append(dst, Token(text[0])), text[1:]
		}
	}
	return dst, nil
}

func TestTokenizerEqualsTheModels(t *testing.T) {
	m := &markModel{}
	tok := newTokenizer(m)
	if want := []string{openMark}; !slices.Equal(tok.cuts, want) {
		t.Fatalf("cuts = %q, want %q: the other one swallows spaces", tok.cuts, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOf(rapid.SampledFrom([]string{openMark, greedMark, " ", "a", "aa", "b", "<|", "open|>", "\n"})).Draw(t, "text"), "")
		special := rapid.Bool().Draw(t, "special")
		got, err := tok.tokenize(text, false, special)
		want, _ := m.Tokenize(nil, text, false, special)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("tokenize(%q, special %v) = %v, %v; want %v", text, special, got, err, want)
		}
	})
}

func TestTokenizerReadsOnlyTheLastMessage(t *testing.T) {
	m := &markModel{}
	tok := newTokenizer(m)
	history := ""
	for i := range 10 {
		history += openMark + strings.Repeat("word ", i+1)
		m.calls = 0
		got, err := tok.tokenize(history, false, true)
		if err != nil || len(got) == 0 || m.calls != 1 {
			t.Fatalf("turn %d: %d calls of the model's tokenizer (%v), want one for the new message", i, m.calls, err)
		}
		got[0] = -1 // the caller's own
	}
}
