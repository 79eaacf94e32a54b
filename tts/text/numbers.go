package text

import (
	"strings"
)

var ones = []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
	"thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"}

var tens = []string{"", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"}

var thousands = []string{"", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion",
	"septillion", "octillion", "nonillion", "decillion"}

// below1000 says a number from 1 to 999.
func below1000(n int) string {
	var w []string
	if n >= 100 {
		w = append(w, ones[n/100], "hundred")
		n %= 100
		if n > 0 {
			w = append(w, "and")
		}
	}
	if n >= 20 {
		t := tens[n/10]
		if n%10 > 0 {
			t += "-" + ones[n%10]
		}
		w = append(w, t)
	} else if n > 0 {
		w = append(w, ones[n])
	}
	return strings.Join(w, " ")
}

// Cardinal says a whole number given by its digits. Numbers too long for a name
// are said digit by digit, and so are those with leading zeros.
func Cardinal(digits string) string {
	if digits == "" {
		return ""
	}
	if len(digits) > 1 && digits[0] == '0' || len(digits) > 36 {
		return Digits(digits)
	}
	if digits == "0" {
		return "zero"
	}
	var w []string
	for len(digits) > 0 {
		n := (len(digits)-1)%3 + 1
		group := 0
		for _, c := range digits[:n] {
			group = group*10 + int(c-'0')
		}
		digits = digits[n:]
		if group == 0 {
			continue
		}
		if len(w) > 0 && len(digits) == 0 && group < 100 {
			w = append(w, "and")
		}
		w = append(w, below1000(group))
		if t := thousands[len(digits)/3]; t != "" {
			w = append(w, t)
		}
	}
	return strings.Join(w, " ")
}

// Digits says each digit by itself.
func Digits(digits string) string {
	var w []string
	for _, c := range digits {
		if c >= '0' && c <= '9' {
			w = append(w, ones[c-'0'])
		}
	}
	return strings.Join(w, " ")
}

var irregular = map[string]string{"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
	"nine": "ninth", "twelve": "twelfth"}

// Ordinal says the ordinal of a whole number given by its digits.
func Ordinal(digits string) string {
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return "zeroth"
	}
	c := Cardinal(digits)
	i := strings.LastIndexAny(c, " -") + 1
	head, word := c[:i], c[i:]
	switch {
	case irregular[word] != "":
		word = irregular[word]
	case strings.HasSuffix(word, "y"):
		word = word[:len(word)-1] + "ieth"
	default:
		word += "th"
	}
	return head + word
}

// Year says a year of up to four digits: "1984" is nineteen eighty-four.
func Year(digits string) string {
	if len(digits) != 4 || digits[0] == '0' {
		return Cardinal(digits)
	}
	hi, lo := digits[:2], digits[2:]
	switch {
	case digits[1] == '0' && lo[0] == '0': // 2000 … 2009
		return Cardinal(digits)
	case lo == "00":
		return Cardinal(hi) + " hundred"
	case lo[0] == '0':
		return Cardinal(hi) + " oh " + Cardinal(lo[1:])
	}
	return Cardinal(hi) + " " + Cardinal(lo)
}

// Decimal says digits with an optional fraction: "3.14" is three point one four.
func Decimal(s string) string {
	whole, frac, ok := strings.Cut(strings.ReplaceAll(s, ",", ""), ".")
	if whole == "" {
		whole = "0"
	}
	w := Cardinal(whole)
	if ok && frac != "" {
		w += " point " + Digits(frac)
	}
	return w
}

// plural gives the plural of the last word of an English name.
func plural(w string) string {
	switch {
	case w == "foot":
		return "feet"
	case w == "inch":
		return "inches"
	case strings.HasSuffix(w, "y") && !strings.HasSuffix(w, "ay") && !strings.HasSuffix(w, "ey"):
		return w[:len(w)-1] + "ies"
	case strings.HasSuffix(w, "s") || strings.HasSuffix(w, "x") || strings.HasSuffix(w, "ch"):
		return w + "es"
	}
	return w + "s"
}
