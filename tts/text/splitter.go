package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// End says what stands at the end of a piece.
type End int

// Ends, from the weakest to the strongest.
const (
	EndCut       End = iota // cut for length, between two words
	EndComma                // a comma, dash or bracket
	EndClause               // a semicolon or colon
	EndSentence             // a full stop, question or exclamation mark
	EndParagraph            // an empty line, heading or list item
)

// Piece is a run of text that is spoken in one go.
type Piece struct {
	Text string // as written, without the white space around it
	End  End
}

// Limits of a piece in bytes. Beyond soft a piece ends at the next clause mark,
// beyond hard at the best place there is.
const (
	softLimit = 280
	hardLimit = 400
	// firstSoft lets the first piece of an eager text end at a clause mark.
	firstSoft = 24
	// longFirst is when a first sentence, known to its end, is long enough to
	// be begun before its end.
	longFirst = 140
)

// Splitter cuts a stream of text into pieces. The zero value is ready; it is
// for one goroutine.
type Splitter struct {
	// Eager ends the first piece at the first clause mark that leaves enough
	// to say, so that speech starts early.
	Eager bool

	buf     string
	flushed bool
	given   int // pieces
	fence   bool
}

// Write appends text. Invalid UTF-8 is replaced; a character may be cut in two
// by the border between two writes.
func (s *Splitter) Write(text string) {
	s.buf += text
}

// Flush says that the text is complete.
func (s *Splitter) Flush() { s.flushed = true }

// Pending is the text written and not yet given, in bytes.
func (s *Splitter) Pending() int { return len(s.buf) }

// Next gives the next piece that is complete; false when more text is needed
// or, after Flush, when there is none left.
func (s *Splitter) Next() (Piece, bool) {
	for {
		s.buf = strings.TrimLeftFunc(s.buf, unicode.IsSpace)
		if s.buf == "" {
			return Piece{}, false
		}
		at, end, ok := s.border()
		if !ok {
			return Piece{}, false
		}
		p := Piece{Text: strings.TrimSpace(strings.ToValidUTF8(s.buf[:at], "\uFFFD")), End: end}
		s.buf = s.buf[at:]
		if strings.HasPrefix(p.Text, "```") || strings.HasPrefix(p.Text, "~~~") {
			s.fence = !s.fence
			continue
		}
		if !Speakable(p.Text) {
			continue
		}
		s.given++
		return p, true
	}
}

// border finds where the first piece of buf ends.
func (s *Splitter) border() (at int, end End, ok bool) {
	b := s.buf
	comma, clause, space := 0, 0, 0 // the last possible borders seen
	early, earlyEnd := 0, EndCut    // the first one worth taking
	cut := func() (int, End, bool) {
		switch {
		case clause > hardLimit/4:
			return clause, EndClause, true
		case comma > hardLimit/4:
			return comma, EndComma, true
		case space > 0:
			return space, EndCut, true
		}
		at := hardLimit
		for at > 0 && !utf8.RuneStart(b[at]) {
			at--
		}
		return at, EndCut, true
	}
	lineStart := 0
	for i := 0; i < len(b); {
		if early > 0 && i >= longFirst {
			return early, earlyEnd, true
		}
		if i >= hardLimit {
			return cut()
		}
		if b[i] < utf8.RuneSelf && !isMark(b[i]) {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(b[i:])
		next := i + n
		if r == utf8.RuneError && n == 1 && !s.flushed && !utf8.FullRuneInString(b[i:]) {
			return 0, 0, false
		}
		switch {
		case r == '\n':
			e, known := s.newline(b, lineStart, i)
			if !known {
				return 0, 0, false
			}
			if e == EndParagraph {
				return next, e, true
			}
			space, lineStart = next, next
		case unicode.IsSpace(r):
			space = next
		case isTerminal(r) || strings.ContainsRune(",;:—–", r) || isWideMark(r):
			e, stop, known := s.mark(b, i, r)
			if !known {
				return 0, 0, false
			}
			if e >= EndSentence {
				return stop, e, true
			}
			if e == EndClause {
				clause = stop
			}
			if e == EndComma {
				comma = stop
			}
			if e > EndCut && stop >= softLimit {
				return stop, e, true
			}
			if e > EndCut && early == 0 && s.Eager && s.given == 0 && stop >= firstSoft && roomBehind(b[stop:]) {
				if !s.flushed { // nobody knows how long the sentence gets
					return stop, e, true
				}
				early, earlyEnd = stop, e
			}
			if stop > next {
				next = stop
			}
		}
		i = next
	}
	if !s.flushed {
		return 0, 0, false
	}
	return len(b), EndParagraph, true
}

// roomBehind says that enough follows for the rest to be worth a piece.
func roomBehind(b string) bool { return len(b) >= 12 }

// isMark says that an ASCII byte may matter to border.
func isMark(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '\v', '\f', '.', ',', ';', ':', '!', '?':
		return true
	}
	return false
}

func isTerminal(r rune) bool { return strings.ContainsRune(".!?…。！？｡؟۔।", r) }

func isWideMark(r rune) bool { return strings.ContainsRune("、，；：،؛", r) }

// mark judges the punctuation mark at b[i]: what it ends, and where that ends.
// known is false when the text must go on before it can be said.
func (s *Splitter) mark(b string, i int, r rune) (e End, stop int, known bool) {
	stop = i + utf8.RuneLen(r)
	if isWideMark(r) {
		if strings.ContainsRune("、，،", r) {
			return EndComma, stop, true
		}
		return EndClause, stop, true
	}
	wide := strings.ContainsRune("。！？｡", r)
	if isTerminal(r) {
		for stop < len(b) { // "?!", "...", and what closes behind it
			c, n := utf8.DecodeRuneInString(b[stop:])
			if !isTerminal(c) && !isCloser(c) {
				break
			}
			stop += n
		}
	}
	if stop == len(b) {
		if s.flushed {
			return EndParagraph, stop, true
		}
		return 0, 0, false
	}
	if !s.flushed && !utf8.FullRuneInString(b[stop:]) {
		return 0, 0, false
	}
	c, n := utf8.DecodeRuneInString(b[stop:])
	if wide {
		return EndSentence, stop, true
	}
	if !unicode.IsSpace(c) {
		if r == '—' && stop-3 > 0 {
			return EndComma, stop, true
		}
		return EndCut, stop, true // "3.14", "10:30", "a.b", "1,000"
	}
	switch r {
	case ',', '–', '—':
		return EndComma, stop, true
	case ';', ':':
		return EndClause, stop, true
	case '!', '?', '؟', '۔', '।':
		return EndSentence, stop, true
	}
	// A full stop or an ellipsis before white space: what follows decides.
	rest := strings.TrimLeftFunc(b[stop+n:], func(r rune) bool { return unicode.IsSpace(r) && r != '\n' })
	if rest == "" && !s.flushed {
		return 0, 0, false
	}
	if c == '\n' || strings.HasPrefix(rest, "\n") {
		if stop-i == 1 && isListNumber(b[:i]) {
			return EndCut, stop, true
		}
		return EndSentence, stop, true
	}
	word := strings.TrimLeft(rest, "\"'“‘([*_`")
	if !s.flushed && !utf8.FullRuneInString(word) {
		return 0, 0, false
	}
	follow, _ := utf8.DecodeRuneInString(word)
	if unicode.IsLower(follow) {
		return EndCut, stop, true
	}
	if !s.flushed && strings.Contains(lastWord(b[:i]), ".") && !strings.ContainsAny(rest, " \n") && len(rest) < 16 {
		return 0, 0, false // the next word says whether "U.S." goes on
	}
	if stop-i == 1 && (notTheEnd(b[:i], follow, rest) || isListNumber(b[:i])) {
		return EndCut, stop, true
	}
	return EndSentence, stop, true
}

func isCloser(r rune) bool { return strings.ContainsRune("\"'”’)]»›」』）】*_`", r) }

// isListNumber says that only the number of a list item stands before.
func isListNumber(before string) bool {
	line := before[strings.LastIndexByte(before, '\n')+1:]
	line = strings.TrimSpace(line)
	return line != "" && len(line) <= 3 && strings.Trim(line, "0123456789") == ""
}

// newline judges the line break at b[i].
func (s *Splitter) newline(b string, lineStart, i int) (e End, known bool) {
	line := strings.TrimSpace(b[lineStart:i])
	if s.fence || isHeading(line) || isListItem(line) || strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~") || isRow(line) {
		return EndParagraph, true
	}
	rest := strings.TrimLeft(b[i+1:], " \t\r")
	if rest == "" {
		return EndParagraph, s.flushed
	}
	if rest[0] == '\n' {
		return EndParagraph, true
	}
	if len(rest) < 8 && !s.flushed && strings.ContainsRune("-*+#>`~|0123456789•", rune(rest[0])) {
		return 0, false
	}
	next, _, _ := strings.Cut(rest, "\n")
	if isHeading(next) || isListItem(next) || next[0] == '|' || strings.HasPrefix(next, "```") || strings.HasPrefix(next, "~~~") {
		return EndParagraph, true
	}
	return EndCut, true
}

func isHeading(line string) bool {
	t := strings.TrimLeft(line, "#")
	return len(t) < len(line) && len(line)-len(t) <= 6 && (t == "" || t[0] == ' ')
}

func isListItem(line string) bool {
	for _, p := range []string{"- ", "* ", "+ ", "• ", "– "} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	t := strings.TrimLeft(line, "0123456789")
	n := len(line) - len(t)
	return n > 0 && n <= 3 && len(t) > 1 && (t[0] == '.' || t[0] == ')') && t[1] == ' '
}

func isRow(line string) bool { return len(line) > 1 && line[0] == '|' && strings.Count(line, "|") > 1 }

// Speakable says whether text has anything to say: a letter, a digit, or a
// symbol that has a name.
func Speakable(text string) bool {
	for _, r := range text {
		if unicode.IsLetter(r) || unicode.IsNumber(r) || isReserved(r) || symbolName(r) != "" && !strings.ContainsRune(silentAlone, r) {
			return true
		}
	}
	return false
}

// silentAlone are symbols that have a name between words and are mere
// decoration without any.
const silentAlone = "#*~_-=+/\\|<>^&@%•·–—°"
