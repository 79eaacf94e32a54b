package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// titles stand before a name: a full stop behind them never ends a sentence.
var titles = map[string]string{
	"dr": "doctor", "mr": "mister", "mrs": "missus", "ms": "miz", "prof": "professor", "rev": "reverend",
	"hon": "honourable", "gen": "general", "sen": "senator", "rep": "representative", "gov": "governor",
	"capt": "captain", "cpt": "captain", "lt": "lieutenant", "sgt": "sergeant", "col": "colonel", "maj": "major",
	"cmdr": "commander", "adm": "admiral", "pres": "president", "supt": "superintendent", "fr": "father",
	"st": "saint", "mt": "mount", "ft": "fort", "messrs": "messieurs", "mme": "madame", "mlle": "mademoiselle",
}

// inner are abbreviations in the middle of a sentence; a full stop behind them
// ends one only by what follows.
var inner = map[string]string{
	"e.g": "for example", "i.e": "that is", "vs": "versus", "v": "versus", "cf": "compare", "viz": "namely",
	"approx": "approximately", "ca": "circa", "incl": "including", "excl": "excluding", "esp": "especially",
	"fig": "figure", "figs": "figures", "eq": "equation", "eqs": "equations", "sec": "section", "ch": "chapter",
	"vol": "volume", "vols": "volumes", "p": "page", "pp": "pages", "no": "number", "nos": "numbers", "art": "article",
	"para": "paragraph", "ed": "edition", "eds": "editors", "op": "opus", "resp": "respectively", "tel": "telephone",
	"jan": "January", "feb": "February", "mar": "March", "apr": "April", "jun": "June", "jul": "July",
	"aug": "August", "sep": "September", "sept": "September", "oct": "October", "nov": "November", "dec": "December",
	"dept": "department", "univ": "university", "est": "established", "min": "minimum", "max": "maximum",
	"avg": "average", "temp": "temperature", "w/o": "without", "a.k.a": "also known as",
}

// last may end a sentence as well as stand inside one.
var last = map[string]string{
	"etc": "et cetera", "inc": "incorporated", "ltd": "limited", "co": "company", "corp": "corporation", "bros": "brothers",
	"jr": "junior", "sr": "senior", "blvd": "boulevard", "rd": "road", "hwy": "highway", "ave": "avenue", "apt": "apartment",
	"assn": "association", "al": "al",
}

// notTheEnd says that the full stop behind before belongs to an abbreviation or
// an initial. follow is the first character behind it, rest the text there.
func notTheEnd(before string, follow rune, rest string) bool {
	w := lastWord(before)
	if w == "" {
		return false
	}
	low := strings.ToLower(w)
	if titles[low] != "" {
		return true
	}
	if inner[low] != "" {
		if low == "no" { // "No. 5" against "No. They said so."
			return unicode.IsDigit(follow)
		}
		if isWord(low) {
			return unicode.IsDigit(follow) || abbreviatesAlways(low)
		}
		return true
	}
	if low == "a.m" || low == "p.m" {
		return !unicode.IsUpper(follow)
	}
	if utf8.RuneCountInString(w) == 1 && unicode.IsUpper([]rune(w)[0]) && w != "I" {
		return true // an initial: "J. Smith"
	}
	if strings.Contains(w, ".") && isInitials(w) { // "U.S. Army", "Ph.D. in"
		return continues(rest)
	}
	return false
}

// isWord says that an abbreviation is a word too, so that a full stop behind
// it is one unless a number follows.
func isWord(low string) bool {
	switch low {
	case "mar", "jun", "art", "ed", "est", "min", "max", "sec", "dec", "fig", "p", "v", "op", "temp", "no", "ch", "para", "tel":
		return true
	}
	return false
}

func abbreviatesAlways(low string) bool {
	return low == "fig" || low == "v" || low == "p" || low == "tel"
}

func isInitials(w string) bool {
	for part := range strings.SplitSeq(w, ".") {
		if utf8.RuneCountInString(part) > 2 {
			return false
		}
	}
	return true
}

// continues says that a capitalised word after an abbreviation like "U.S."
// hardly starts a sentence.
func continues(rest string) bool {
	w, _, _ := strings.Cut(rest, " ")
	switch strings.Trim(w, ",.;:!?\"'”’)") {
	case "The", "A", "An", "In", "It", "He", "She", "They", "We", "You", "This", "That", "These", "Those", "But", "And", "So",
		"However", "If", "When", "Then", "There", "My", "Our", "His", "Her", "Their", "What", "Who", "Why", "How", "No", "Yes":
		return false
	}
	return true
}

// lastWord is the run of letters and inner full stops at the end of text.
func lastWord(text string) string {
	i := len(text)
	for i > 0 {
		r, n := utf8.DecodeLastRuneInString(text[:i])
		if !unicode.IsLetter(r) && r != '.' && r != '/' {
			break
		}
		i -= n
	}
	return strings.TrimLeft(text[i:], "./")
}
