package llama

import (
	"bytes"
	"fmt"
)

// maxVocabularyPadding is how many tokens two vocabularies of one family may
// differ by: makers pad the table to a round number. The bound is llama.cpp's own
// for draft models.
const maxVocabularyPadding = 128

// SameVocabulary says why tokens of a draft model mean something else to the
// target, nil when they do not: every token that both have must be the same text
// and end a generation in both or neither, and text must be begun alike. Tokens
// that one of them has more, at most 128, are padding and must not be handed over.
func SameVocabulary(target, draft *Model) error {
	a, b := &target.info, &draft.info
	if a.VocabSize-b.VocabSize > maxVocabularyPadding || b.VocabSize-a.VocabSize > maxVocabularyPadding {
		return fmt.Errorf("%w: the vocabularies differ: %d and %d tokens", ErrUnsupported, a.VocabSize, b.VocabSize)
	}
	if a.AddBOS != b.AddBOS || a.AddBOS && a.BOS != b.BOS {
		return fmt.Errorf("%w: the vocabularies differ: one begins text with token %d (%v), the other with %d (%v)", ErrUnsupported, a.BOS, a.AddBOS, b.BOS, b.AddBOS)
	}
	for t := range Token(min(a.VocabSize, b.VocabSize)) {
		if x, y := target.Piece(t, true), draft.Piece(t, true); !bytes.Equal(x, y) {
			return fmt.Errorf("%w: the vocabularies differ: token %d is %q and %q", ErrUnsupported, t, x, y)
		}
		if x, y := target.IsEOG(t), draft.IsEOG(t); x != y {
			return fmt.Errorf("%w: the vocabularies differ: token %d, %q, ends a generation in one of them", ErrUnsupported, t, target.Piece(t, true))
		}
	}
	return nil
}
