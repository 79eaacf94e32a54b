package text

import (
	"strings"
	"unicode"
)

// symbolNames are symbols said by name.
var symbolNames = map[rune]string{
	'&': "and", '@': "at", '#': "hash", '%': "percent", '+': "plus", '=': "equals", '<': "less than", '>': "greater than",
	'×': "times", '÷': "divided by", '±': "plus or minus", '≈': "approximately", '≠': "is not equal to", '≤': "is at most",
	'≥': "is at least", '°': "degrees", '√': "square root of", '∞': "infinity", '∑': "sum", 'π': "pi", 'µ': "micro", 'Ω': "ohms",
	'→': "to", '←': "from", '⇒': "implies", '↔': "to and from", '∈': "in", '∧': "and", '∨': "or", '¬': "not",
	'$': "dollars", '£': "pounds", '€': "euros", '¥': "yen", '¢': "cents", '₹': "rupees", '₽': "roubles", '₩': "won", '₿': "bitcoin",
	'§': "section", '¶': "paragraph", '©': "copyright", '®': "registered", '™': "trademark", '№': "number",
	'*': "star", '/': "slash", '\\': "backslash", '_': "underscore", '~': "about", '^': "to the power of", '|': "or",
	'½': "one half", '⅓': "one third", '⅔': "two thirds", '¼': "one quarter", '¾': "three quarters", '⅛': "one eighth",
	'⅕': "one fifth", '⅜': "three eighths", '⅝': "five eighths", '⅞': "seven eighths",
	'†': "dagger", '‰': "per mille", '‱': "per ten thousand",
}

func symbolName(r rune) string { return symbolNames[r] }

// isEmoji says that r is a picture, a part of one, or another sign that has
// nothing to say.
func isEmoji(r rune) bool {
	switch {
	case r >= 0x1F000 && r <= 0x1FAFF, r >= 0x2600 && r <= 0x27BF, r >= 0x2B00 && r <= 0x2BFF,
		r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0000 && r <= 0xE01EF, r >= 0x2300 && r <= 0x23FF,
		r >= 0x2500 && r <= 0x25FF, r == 0x200D, r == 0x20E3, r >= 0x1F3FB && r <= 0x1F3FF:
		return true
	}
	return false
}

// tidy brings typographic variants of characters to one form and drops what
// cannot be said: control and formatting characters, emoji.
func tidy(s string) string {
	plain := true
	for i := range len(s) {
		if s[i] >= 0x7f || s[i] < ' ' {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range s {
		switch {
		case r == '’' || r == '‘' || r == 'ʼ' || r == '′' || r == '＇':
			b.WriteByte('\'')
		case r == '“' || r == '”' || r == '„' || r == '«' || r == '»' || r == '″':
			b.WriteByte('"')
		case r == '‐' || r == '‑' || r == '‒' || r == '−' || r == '﹣' || r == '－':
			b.WriteByte('-')
		case r == '…':
			b.WriteString("...")
		case r == '•' || r == '·' || r == '‣' || r == '●' || r == '○' || r == '▪':
			b.WriteString(" ")
		case r >= '！' && r <= '～' && !clauseWide(r): // full-width ASCII
			b.WriteRune(r - '！' + '!')
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar, unicode.Is(unicode.Co, r) && !isReserved(r):
		case isEmoji(r):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func clauseWide(r rune) bool { return clauseMark(r) != 0 }
