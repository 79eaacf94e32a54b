package cmd

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"repartee/tts"
)

// Subtitles have at most two lines of lineWidth characters, as broadcasters do it.
const lineWidth = 42

// writeSRT writes words as SubRip subtitles.
func writeSRT(w io.Writer, words []tts.Span) error {
	for n := 1; len(words) > 0; n++ {
		k, text := cue(words)
		if _, err := fmt.Fprintf(w, "%d\n%s --> %s\n%s\n\n", n, srtTime(words[0].Start), srtTime(words[k-1].End), text); err != nil {
			return err
		}
		words = words[k:]
	}
	return nil
}

// cue returns how many words the first subtitle takes, and its text: it ends with
// a sentence, at a pause, or where the next word would need a third line.
func cue(words []tts.Span) (int, string) {
	const pause = 700 * time.Millisecond
	var b strings.Builder
	lines, width := 1, 0
	for i, w := range words {
		n := utf8.RuneCountInString(w.Text)
		if i > 0 {
			before := words[i-1]
			if strings.ContainsAny(before.Text[len(before.Text)-1:], ".!?") || w.Start-before.End >= pause {
				return i, b.String()
			}
			switch {
			case width+1+n <= lineWidth:
				b.WriteByte(' ')
				width++
			case lines == 2:
				return i, b.String()
			default:
				b.WriteByte('\n')
				lines, width = 2, 0
			}
		}
		b.WriteString(w.Text)
		width += n
	}
	return len(words), b.String()
}

func srtTime(d time.Duration) string {
	ms := d.Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d,%03d", ms/3600000, ms/60000%60, ms/1000%60, ms%1000)
}
