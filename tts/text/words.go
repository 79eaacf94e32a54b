package text

import (
	"regexp"
	"strings"
	"unicode"
)

var (
	reAbbr   = regexp.MustCompile(`\b([A-Za-z]+(?:\.[A-Za-z]+)*|w/o|a\.k\.a)\.`)
	reStreet = regexp.MustCompile(`\b([A-Z][a-z]+|\w+(?:st|nd|rd|th)) St\b\.?`)
	reDrive  = regexp.MustCompile(`\b([A-Z][a-z]+) Dr\.?(\s*(?:$|[,;])|\s+[a-z])`)
	reWith   = regexp.MustCompile(`\bw/(?:o\b)?\s?`)
	rePer    = regexp.MustCompile(`\b(miles|metres|meters|kilometres|kilometers|feet|litres|requests|tokens|frames|bytes|bits|times|dollars|pounds|euros|items|words)\s*/\s*(second|minute|hour|day|week|month|year|sec|min|s|h)\b`)
	reEither = regexp.MustCompile(`\b(and/or|he/she|his/her|him/her|s/he)\b`)
	reRegnal = regexp.MustCompile(`\b(Henry|Louis|George|Edward|William|Charles|James|Elizabeth|Richard|Philip|Pope|John|Paul|Benedict|Pius|Leo|Napoleon|Frederick|Nicholas|Alexander|Catherine|Ivan|Gregory|Innocent|Clement|Robert|David) ([IVX]{1,6})\b`)
	reRoman  = regexp.MustCompile(`\b((?i:chapter|part|volume|act|scene|book|section|phase|type|stage|class|war|title|article|appendix|level|round|grade|mark|super bowl|final fantasy|episode|lecture|unit|figure|table|rocky)) ([IVXLC]{1,7})\b`)
)

// abbreviate writes out the abbreviations that a full stop marks.
func abbreviate(s string) string {
	s = weekdays.apply(s)
	if strings.Contains(s, "w/") {
		s = reWith.ReplaceAllStringFunc(s, func(m string) string {
			if strings.HasPrefix(m, "w/o") {
				return "without "
			}
			return "with "
		})
	}
	if strings.IndexByte(s, '/') >= 0 {
		s = rePer.ReplaceAllStringFunc(s, func(m string) string {
			g := rePer.FindStringSubmatch(m)
			return g[1] + " per " + map[string]string{"sec": "second", "s": "second", "min": "minute", "h": "hour"}[g[2]] +
				strings.Repeat(g[2], b2i(len(g[2]) > 3))
		})
		s = reEither.ReplaceAllStringFunc(s, func(m string) string {
			if m == "s/he" {
				return "she or he"
			}
			if m == "and/or" {
				return "and or"
			}
			return strings.Replace(m, "/", " or ", 1)
		})
	}
	if strings.Contains(s, " St") {
		s = reStreet.ReplaceAllString(s, "$1 Street")
	}
	if strings.Contains(s, " Dr") {
		s = reDrive.ReplaceAllString(s, "$1 Drive$2")
	}
	s = reBareTitle.ReplaceAllStringFunc(s, func(m string) string {
		g := reBareTitle.FindStringSubmatch(m)
		return titles[strings.ToLower(g[1])] + " " + g[2]
	})
	if strings.Contains(s, " vs ") {
		s = strings.ReplaceAll(s, " vs ", " versus ")
	}
	if strings.IndexByte(s, '.') < 0 {
		return s
	}
	var b strings.Builder
	from := 0
	for _, m := range reAbbr.FindAllStringSubmatchIndex(s, -1) {
		w, end := s[m[2]:m[3]], m[1]
		rest := s[end:]
		low := strings.ToLower(w)
		say := ""
		switch {
		case rest != "" && isAlnum(rest[0]):
		case titles[low] != "" && unicode.IsUpper(rune(w[0])) && strings.HasPrefix(rest, " "):
			say = titles[low]
		case low == "no" && !digitWordFollows(rest):
		case isWord(low) && !digitWordFollows(rest) && !abbreviatesAlways(low):
		case inner[low] != "" && !(low == "v" && !strings.HasPrefix(rest, " ")):
			say = inner[low]
		case last[low] != "" && (unicode.IsUpper(rune(w[0])) || low == "etc" || low == "al"):
			say = last[low]
		case low == "a.m" || low == "p.m":
			say = strings.ToUpper(low[:1]) + "M"
			say = strings.Join(strings.Split(say, ""), ".")
		}
		if say == "" {
			continue
		}
		b.WriteString(s[from:m[2]])
		b.WriteString(say)
		from = end
		if strings.TrimSpace(rest) == "" || strings.HasPrefix(strings.TrimSpace(rest), "\"") && len(strings.TrimSpace(rest)) == 1 {
			b.WriteByte('.') // it also ended the sentence
		}
	}
	b.WriteString(s[from:])
	return b.String()
}

var reBareTitle = regexp.MustCompile(`\b(Mr|Mrs|Ms|Dr|Prof|Messrs|Mme|Mlle) ([A-Z])`)

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// digitWordFollows says that a number, by now in words, or a digit follows.
func digitWordFollows(rest string) bool {
	w := strings.TrimLeft(rest, " ")
	if w == "" || w == rest {
		return false
	}
	if unicode.IsDigit(rune(w[0])) {
		return true
	}
	end := strings.IndexFunc(w, func(r rune) bool { return !unicode.IsLetter(r) })
	if end >= 0 {
		w = w[:end]
	}
	for _, o := range ones {
		if w == o {
			return true
		}
	}
	for _, t := range tens[2:] {
		if w == t {
			return true
		}
	}
	return irregular[w] != "" || strings.HasSuffix(w, "teenth") || strings.HasSuffix(w, "tieth")
}

// said are names that espeak-ng reads as words and people spell, or the other
// way round.
var said = map[string]string{
	"ONNX": "onyx", "cgo": "see go", "GGUF": "G.G.U.F", "llama.cpp": "llama see plus plus", "kHz": "kilohertz", "iOS": "eye O.S",
	"macOS": "mac O.S", "PostgreSQL": "postgres Q.L", "MySQL": "my S.Q.L", "SQLite": "S.Q. light", "nginx": "engine X", "OAuth": "oh auth",
	"GitHub": "git hub", "YouTube": "you tube", "iPhone": "eye phone", "iPad": "eye pad", "iPhones": "eye phones", "WiFi": "why fy", "Wi-Fi": "why fy", "eBay": "ebay", "PhD": "P.H.D", "Ph.D": "P.H.D",
	"C++": "see plus plus", "C#": "see sharp", "F#": "eff sharp", ".NET": "dot net", "HuggingFace": "hugging face",
	"WebSocket": "web socket", "JavaScript": "java script", "TypeScript": "type script", "OpenAI": "open A.I", "ChatGPT": "chat G.P.T",
	"R&B": "R and B", "Q&A": "Q and A", "R&D": "R and D", "AT&T": "A.T and T",
}

// fixed are figures that are said in a way of their own.
var fixed = map[string]string{"24/7": "twenty-four seven", "9/11": "nine eleven", "50/50": "fifty-fifty", "20/20": "twenty twenty",
	"4x4": "four by four"}

var reCamel = regexp.MustCompile(`\b[a-z]+(?:[A-Z][a-z]+)+\b|\b(?:[A-Z][a-z]+){2,}\b`)

// names writes out names and Roman numerals.
func names(s string) string {
	for k, v := range said {
		if strings.Contains(s, k) {
			s = replaceWord(s, k, v)
		}
	}
	if strings.ContainsAny(s, "IVX") {
		s = reRegnal.ReplaceAllStringFunc(s, func(m string) string {
			g := reRegnal.FindStringSubmatch(m)
			if n := roman(g[2]); n != "" && !(g[2] == "I" && g[1] != "Elizabeth" && g[1] != "Charles" && g[1] != "James" && g[1] != "Napoleon") {
				return g[1] + " the " + Ordinal(n)
			}
			return m
		})
		s = reRoman.ReplaceAllStringFunc(s, func(m string) string {
			g := reRoman.FindStringSubmatch(m)
			if n := roman(g[2]); n != "" {
				return g[1] + " " + Cardinal(n)
			}
			return m
		})
	}
	return reCamel.ReplaceAllStringFunc(s, func(m string) string {
		if strings.HasPrefix(m, "Mc") || strings.HasPrefix(m, "Mac") || strings.HasPrefix(m, "De") || strings.HasPrefix(m, "Le") || strings.HasPrefix(m, "Du") {
			return m
		}
		var b strings.Builder
		for i, r := range m {
			if i > 0 && unicode.IsUpper(r) {
				b.WriteByte(' ')
			}
			b.WriteRune(r)
		}
		return b.String()
	})
}

// replaceWord replaces k where no letter or digit touches it.
func replaceWord(s, k, v string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, k)
		if i < 0 {
			break
		}
		j := i + len(k)
		before := i == 0 || !isAlnum(s[i-1]) || !isAlnum(k[0])
		after := j == len(s) || !isAlnum(s[j])
		b.WriteString(s[:i])
		if before && after {
			b.WriteString(v)
		} else {
			b.WriteString(k)
		}
		s = s[j:]
	}
	b.WriteString(s)
	return b.String()
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// roman gives the decimal digits of a Roman numeral, or nothing.
func roman(s string) string {
	value := map[byte]int{'I': 1, 'V': 5, 'X': 10, 'L': 50, 'C': 100, 'D': 500, 'M': 1000}
	n := 0
	for i := range len(s) {
		v := value[s[i]]
		if i+1 < len(s) && v < value[s[i+1]] {
			n -= v
		} else {
			n += v
		}
	}
	if toRoman(n) != s {
		return ""
	}
	return itoa(n)
}

func toRoman(n int) string {
	var b strings.Builder
	for _, p := range []struct {
		v int
		s string
	}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
		for n >= p.v {
			b.WriteString(p.s)
			n -= p.v
		}
	}
	return b.String()
}
