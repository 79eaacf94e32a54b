package text

import "strings"

// Segment is a run of words and the mark behind it.
type Segment struct {
	Text string
	// Mark is one of , ; : . ? ! … or 0 at an end without a mark.
	Mark rune
}

// Segments cuts normalised text at its clause marks. Segments without words
// are dropped and their mark, when it is the stronger one, goes to the segment
// before.
func Segments(s string) []Segment {
	var out []Segment
	start := 0
	put := func(end int, mark rune) {
		t := strings.TrimSpace(s[start:end])
		if t == "" {
			if n := len(out); n > 0 && strength(mark) > strength(out[n-1].Mark) {
				out[n-1].Mark = mark
			}
			return
		}
		out = append(out, Segment{t, mark})
	}
	for i, r := range s {
		if m := clauseMark(r); m != 0 {
			if m == '.' && i+1 < len(s) && s[i+1] != ' ' && !strings.HasPrefix(s[i+1:], "…") && clauseMark(rune(s[i+1])) == 0 {
				continue // inside a word: "U.S.A"
			}
			put(i, m)
			start = i + len(string(r))
		}
	}
	put(len(s), 0)
	return out
}

func strength(mark rune) int { return strings.IndexRune(",:;….!?", mark) }

func clauseMark(r rune) rune {
	switch r {
	case ',', '،', '、', '，', '–', '—', '(', ')', '（', '）':
		return ','
	case ';', '；', '؛':
		return ';'
	case ':', '：':
		return ':'
	case '.', '。', '｡', '۔', '।':
		return '.'
	case '?', '？', '؟':
		return '?'
	case '!', '！':
		return '!'
	case '…':
		return '…'
	}
	return 0
}
