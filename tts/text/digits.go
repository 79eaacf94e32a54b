package text

import (
	"regexp"
	"slices"
	"strings"
)

// digits writes out everything in s that holds a number.
func (n *Normaliser) digits(s string) string {
	for _, r := range rules {
		s = r.apply(s)
	}
	if n.british {
		s = britishDates.apply(s)
	} else {
		s = americanDates.apply(s)
	}
	for _, r := range plainRules {
		s = r.apply(s)
	}
	return s
}

var monthNames = []string{"", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"}

// month gives the name of the month numbered or shortened so.
func month(s string) string {
	if s[0] <= '9' {
		i := int(s[len(s)-1] - '0')
		if len(s) == 2 {
			i += 10 * int(s[0]-'0')
		}
		if i < 1 || i > 12 {
			return ""
		}
		return monthNames[i]
	}
	for _, m := range monthNames[1:] {
		if strings.EqualFold(m[:3], s[:3]) {
			return m
		}
	}
	return ""
}

var dayNames = map[string]string{"Mon": "Monday", "Tue": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday"}

func validDay(d string) bool {
	d = strings.TrimLeft(d, "0")
	return len(d) == 1 || len(d) == 2 && d <= "31"
}

// numericDate says a date of three numbers.
func numericDate(m, d, y, whole string) string {
	name := ""
	if validDay(d) {
		name = month(m)
	}
	if name == "" {
		return whole
	}
	if len(y) == 2 {
		if y > "50" {
			y = "19" + y
		} else {
			y = "20" + y
		}
	}
	return name + " " + Ordinal(d) + ", " + Year(y)
}

var americanDates = rule{"/", regexp.MustCompile(`\b(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})\b`), func(g []string) string {
	if len(strings.TrimLeft(g[1], "0")) == 2 && g[1] > "12" {
		return numericDate(g[2], g[1], g[3], g[0])
	}
	return numericDate(g[1], g[2], g[3], g[0])
}}

var britishDates = rule{"/", americanDates.re, func(g []string) string {
	return numericDate(g[2], g[1], g[3], g[0])
}}

// clock says a time of day.
func clock(h, m, s, half string) string {
	h = strings.TrimLeft(h, "0")
	if h == "" {
		h = "0"
	}
	w := Cardinal(h)
	switch {
	case m == "" || m == "00":
		switch {
		case half != "" || s != "":
		case h == "0":
			w = "midnight"
		default:
			w += " o'clock"
			if len(h) == 2 && h > "12" {
				w = Cardinal(h) + " hundred"
			}
		}
	case m[0] == '0':
		w += " oh " + Cardinal(m[1:])
	default:
		w += " " + Cardinal(m)
	}
	if s != "" {
		if m == "00" {
			w += " zero"
		}
		w += " and " + Decimal(strings.TrimLeft(s, "0")) + " seconds"
	}
	if half != "" {
		w += " " + strings.ToUpper(half[:1]) + ".M"
	}
	return w
}

var scripts = strings.NewReplacer("⁰", "0", "¹", "1", "²", "2", "³", "3", "⁴", "4", "⁵", "5", "⁶", "6", "⁷", "7", "⁸", "8", "⁹", "9", "⁻", "-",
	"₀", "0", "₁", "1", "₂", "2", "₃", "3", "₄", "4", "₅", "5", "₆", "6", "₇", "7", "₈", "8", "₉", "9")

func power(p string) string {
	p = scripts.Replace(p)
	switch p {
	case "2":
		return " squared"
	case "3":
		return " cubed"
	}
	if strings.HasPrefix(p, "-") {
		return " to the power of minus " + Cardinal(p[1:])
	}
	return " to the power of " + Cardinal(p)
}

var fractionNames = map[string]string{"2": "half", "3": "third", "4": "quarter", "5": "fifth", "6": "sixth", "7": "seventh", "8": "eighth",
	"9": "ninth", "10": "tenth", "12": "twelfth", "16": "sixteenth", "20": "twentieth", "32": "thirty-second", "64": "sixty-fourth", "100": "hundredth"}

func fraction(a, b string) string {
	name := fractionNames[b]
	if name == "" || len(a) > 2 {
		return Cardinal(a) + " over " + Cardinal(b)
	}
	if a != "1" {
		if name == "half" {
			name = "halve"
		}
		name = plural(name)
	}
	return Cardinal(a) + " " + name
}

// weekdays are a range of days.
var weekdays = rule{"-–", regexp.MustCompile(`\b(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\.?\s?[-–]\s?(Mon|Tues?|Wed|Thu(?:rs?)?|Fri|Sat|Sun)\b`), func(g []string) string {
	return dayNames[g[1][:3]] + " to " + dayNames[g[2][:3]]
}}

// rules come first: what is more than a plain number.
var rules = []rule{
	// dates
	{"-", regexp.MustCompile(`\b(\d{4})-(\d{2})-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?\b`), func(g []string) string {
		d := numericDate(g[2], g[3], g[1], "")
		if d == "" {
			return g[0]
		}
		if g[4] != "" {
			d += ", " + clock(g[4], g[5], "", "")
			if g[7] == "Z" {
				d += " U.T.C"
			}
		}
		return d
	}},
	{"", regexp.MustCompile(`\b(` + months + `)\.?\s+(\d{1,2})(?:st|nd|rd|th)?\b(?:(,?)\s+(\d{4})\b)?`), func(g []string) string {
		if !validDay(g[2]) {
			return g[0]
		}
		w := month(g[1]) + " " + Ordinal(g[2])
		if g[4] != "" {
			w += ", " + Year(g[4])
		}
		return w
	}},
	{"", regexp.MustCompile(`(?:\b[Tt]he )?\b(\d{1,2})(?:st|nd|rd|th)?(?:\s+of)?\s+(` + months + `)\b(\.?)(?:,?\s+(\d{4})\b)?`), func(g []string) string {
		name := month(g[2])
		if !validDay(g[1]) || g[2] == "May" && g[3] != "" && !strings.Contains(g[0], " of") {
			return g[0]
		}
		w := "the " + Ordinal(g[1]) + " of " + name
		if g[0][0] == 'T' {
			w = "T" + w[1:]
		}
		switch {
		case g[4] != "":
			w += ", " + Year(g[4])
		case g[2] == name:
			w += g[3]
		}
		return w
	}},
	{"", regexp.MustCompile(`\b(` + months + `)\.?,?\s+((?:1\d|20)\d{2})\b`), func(g []string) string { return month(g[1]) + " " + Year(g[2]) }},
	// times
	{":", regexp.MustCompile(`(?i)\b([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?(?:\s?([ap])\.?m\b\.?)?`), func(g []string) string {
		w := clock(g[1], g[2], g[3], g[4])
		if g[4] != "" && strings.HasSuffix(g[0], ".") {
			w += ". "
		}
		return w
	}},
	{"", regexp.MustCompile(`(?i)\b(1[0-2]|0?[1-9])(?:\s?)([ap])\.?m\b\.?`), func(g []string) string {
		w := clock(g[1], "", "", g[2])
		if strings.HasSuffix(g[0], "m.") || strings.HasSuffix(g[0], "M.") {
			w += "."
		}
		return w
	}},
	// phone numbers, addresses of machines, versions
	{"+", regexp.MustCompile(`\+(\d{1,3})[\s.-]?(\(?\d{1,4}\)?(?:[\s.-]\d{2,4}){1,4})\b`), func(g []string) string {
		return "plus " + groups(g[1]+" "+g[2])
	}},
	{"(", regexp.MustCompile(`\((\d{3})\)\s?(\d{3})[-\s.](\d{4})\b`), func(g []string) string { return groups(g[0]) }},
	{"-.", regexp.MustCompile(`\b(?:1[-.])?\d{3}[-.]\d{3}[-.]\d{4}\b|\b\d{3}-\d{4}\b`), func(g []string) string { return groups(g[0]) }},
	{".", regexp.MustCompile(`\b(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?::(\d+))?\b`), func(g []string) string {
		w := strings.Join([]string{Digits(g[1]), Digits(g[2]), Digits(g[3]), Digits(g[4])}, " dot ")
		if g[5] != "" {
			w += " port " + Cardinal(g[5])
		}
		return w
	}},
	{".", regexp.MustCompile(`\b([vV](?:ersion\s)?)?(\d+(?:\.\d+){2,})\b`), func(g []string) string { return version(g[1] != "" && len(g[1]) == 1, g[2], g[1]) }},
	{"vV", regexp.MustCompile(`\b[vV](\d+(?:\.\d+)*)\b`), func(g []string) string { return version(true, g[1], "") }},
	{"x", regexp.MustCompile(`\b0[xX]([0-9a-fA-F]+)\b`), func(g []string) string {
		return "hex " + strings.Join(strings.Split(strings.ToUpper(g[1]), ""), " ")
	}},
	// money
	{"$£€¥₹₽₩₿", regexp.MustCompile(`(-|−)?(US\$|A\$|C\$|[$£€¥₹₽₩₿])\s?` + number + `(?:\s?(thousand|million|billion|trillion|bn|mn|tn|[kKmMbBT])\b)?(?:\s?[-–]\s?[$£€¥]?` + number + `(?:\s?(thousand|million|billion|trillion|bn|mn|tn|[kKmMbBT])\b)?)?`), func(g []string) string {
		w := money(g[2], g[3], g[4])
		if g[5] != "" {
			if g[4] == "" && !strings.Contains(g[3]+g[5], ".") {
				w = Decimal(g[3])
			}
			w += " to " + money(g[2], g[5], g[6])
		}
		if g[1] != "" {
			w = "minus " + w
		}
		return w
	}},
	{"$£€¥₹", regexp.MustCompile(number + `\s?([£€¥₹$])`), func(g []string) string { return money(g[2], g[1], "") }},
	{"", regexp.MustCompile(`\b` + number + `\s?(USD|EUR|GBP|JPY|CHF)\b`), func(g []string) string { return money(g[2], g[1], "") }},
	{"", regexp.MustCompile(`\b(USD|EUR|GBP|JPY|CHF)\s?` + number + `\b`), func(g []string) string { return money(g[1], g[2], "") }},
	{"¢", regexp.MustCompile(number + `\s?¢`), func(g []string) string { return Decimal(g[1]) + " " + centWord(g[1]) }},
	// percent, mathematics
	{"%", regexp.MustCompile(number + `\s?%?\s?[-–]\s?` + number + `\s?%`), func(g []string) string { return Decimal(g[1]) + " to " + Decimal(g[2]) + " percent" }},
	{"%", regexp.MustCompile(`(^|[\s(])([+-]?)` + number + `\s?%`), func(g []string) string { return g[1] + signed(g[2]+g[3]) + " percent" }},
	{"eE", regexp.MustCompile(`\b(\d+(?:\.\d+)?)[eE]([+-]?)(\d+)\b`), func(g []string) string {
		return Decimal(g[1]) + " times ten" + power(strings.TrimPrefix(g[2], "+")+g[3])
	}},
	{"^", regexp.MustCompile(`(\w)\s?\^\s?\{?(-?\d+)\}?`), func(g []string) string { return g[1] + power(g[2]) }},
	{"~≈", regexp.MustCompile(`[~≈]\s?(\d)`), func(g []string) string { return "about " + g[1] }},
	{"x×", regexp.MustCompile(`\b(\d{3,4})\s?[x×]\s?(\d{3,4})\b`), func(g []string) string { return Year(g[1]) + " by " + Year(g[2]) }},
	{"", regexp.MustCompile(`(?i)\b(call|dial|ring) (\d{3})\b`), func(g []string) string { return g[1] + " " + Digits(g[2]) }},
	// decades
	{"s", regexp.MustCompile(`\b(10{2,9})s\b`), func(g []string) string {
		w := strings.Fields(Cardinal(g[1]))
		return strings.TrimPrefix(strings.Join(w[:len(w)-1], " ")+" ", "one ") + plural(w[len(w)-1])
	}},
	{"s", regexp.MustCompile(`\b((?:1[1-9]|20)\d)0'?s\b`), func(g []string) string { return plural(Year(g[1] + "0")) }},
	{"s", regexp.MustCompile(`(?:'|\b)([2-9])0s\b`), func(g []string) string { return plural(tens[g[1][0]-'0']) }},
	// units; the longest name wins because the word must end
	{"'f", regexp.MustCompile(`\b(\d{1,2})(?:\s?ft\.?\s?|'\s?)(\d{1,2})(?:("|''|\s?in\b)|\b)`), func(g []string) string {
		w := Cardinal(g[1]) + " " + unitName("ft", g[1]) + " " + Cardinal(g[2])
		if strings.Contains(g[3], "in") {
			w += " " + unitName("in", g[2])
		}
		return w
	}},
	{"", regexp.MustCompile(`(^|[\s(~≈<>=,/])([+-]?)` + number + `(?:\s?(?:[-–]|to)\s?` + number + `)?[\s-]?(` + unitNames(false) + `)(?:$|([^\w²³°/]))`), unit},
	{"", regexp.MustCompile(`(^|[\s(~≈<>=,/])([+-]?)` + number + `(?:\s?[-–]\s?` + number + `)?(` + unitNames(true) + `)(?:$|([^\w²³°/]))`), unit},
	{"⁰¹²³⁴⁵⁶⁷⁸⁹", regexp.MustCompile(`([\w)])([⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)`), func(g []string) string { return g[1] + power(g[2]) + " " }},
	{"₀₁₂₃₄₅₆₇₈₉", regexp.MustCompile(`[₀₁₂₃₄₅₆₇₈₉]+`), func(g []string) string { return " " + Cardinal(scripts.Replace(g[0])) + " " }},
	{"½⅓⅔¼¾⅛⅕⅜⅝⅞", regexp.MustCompile(`(\d+)\s?([½⅓⅔¼¾⅛⅕⅜⅝⅞])`), func(g []string) string {
		return Cardinal(g[1]) + " and " + strings.Replace(symbolNames[[]rune(g[2])[0]], "one ", "a ", 1)
	}},
}

// plainRules come last: single numbers.
var plainRules = []rule{
	{"/", regexp.MustCompile(`\b(\d+)\s(\d{1,2})/(\d{1,3})\b`), func(g []string) string {
		return Cardinal(g[1]) + " and " + strings.Replace(fraction(g[2], g[3]), "one ", "a ", 1)
	}},
	{"/", regexp.MustCompile(`\b(\d{1,3})/(\d{1,3})\b`), func(g []string) string { return fraction(g[1], g[2]) }},
	{"×", regexp.MustCompile(`(\d)\s×\s(\d)`), func(g []string) string { return g[1] + " times " + g[2] }},
	{"x×", regexp.MustCompile(`(\d)\s?[x×]\s?(\d)`), func(g []string) string { return g[1] + " by " + g[2] }},
	{"x×", regexp.MustCompile(`\b(\d+(?:\.\d+)?)\s?[x×](\s|[.,;:!?]|$)`), func(g []string) string { return Decimal(g[1]) + " times" + g[2] }},
	{"-–", regexp.MustCompile(`\b((?:1[1-9]|20)\d{2})\s?[-–]\s?((?:1[1-9]|20)\d{2}|\d{2})\b`), func(g []string) string { return Year(g[1]) + " to " + Year(g[2]) }},
	{"'", regexp.MustCompile(`'(\d{2})\b`), func(g []string) string { return Cardinal(g[1]) }},
	{"", regexp.MustCompile(`\b(\d{1,3}(?:,\d{3})+|\d+)(st|nd|rd|th|ST|ND|RD|TH)\b`), func(g []string) string { return Ordinal(strings.ReplaceAll(g[1], ",", "")) }},
	{"", regexp.MustCompile(`(?i)(©|\b(?:in|since|by|from|until|till|before|after|around|circa|year|early|mid|late|of|summer|winter|spring|autumn|fall|during|to|and|between|class of|copyright|[QH][1-4]|FY|al\.?)) ?(?:the year )?((?:1\d|20)\d{2})(\)|\s|[.,;:!?]|$)(` + notYear + `)?`), func(g []string) string {
		if g[4] != "" {
			return g[0]
		}
		return strings.Replace(g[0], g[2], " "+Year(g[2]), 1)
	}},
	{"", regexp.MustCompile(`\(((?:1\d|20)\d{2})\)`), func(g []string) string { return "(" + Year(g[1]) + ")" }},
	{"", regexp.MustCompile(`(^|[\s(])((?:19\d|20[1-9])\d)([.,;:!?)]|$)`), func(g []string) string { return g[1] + Year(g[2]) + g[3] }},
	{"#№", regexp.MustCompile(`(^|\s)[#№]\s?(\d+)\b`), func(g []string) string { return g[1] + "number " + Cardinal(g[2]) }},
	{"-", regexp.MustCompile(`(\d|\b[a-z]|\))\s+-\s+(\d|[a-z]\b|\()`), func(g []string) string { return g[1] + " minus " + g[2] }},
	{"/÷", regexp.MustCompile(`(\d)\s+[/÷]\s+(\d)`), func(g []string) string { return g[1] + " divided by " + g[2] }},
	{"-–", regexp.MustCompile(`\b(\d+(?:\.\d+)?)\s?[-–]\s?(\d+(?:\.\d+)?)\b`), func(g []string) string { return Decimal(g[1]) + " to " + Decimal(g[2]) }},
	{":", regexp.MustCompile(`\b(\d{1,3}):(\d{1,3})\b`), func(g []string) string { return Cardinal(g[1]) + " to " + Cardinal(g[2]) }},
	{"kKM", regexp.MustCompile(`\b(\d+(?:\.\d+)?)([kKMB])\b`), func(g []string) string { return Decimal(g[1]) + " " + magnitudes[g[2]] }},
	{"", regexp.MustCompile(`(^|[\s(=<>,])([+-])` + number), func(g []string) string { return g[1] + signed(g[2]+g[3]) }},
	{"", regexp.MustCompile(`([A-Za-z])-?(\d+)`), func(g []string) string { return g[1] + " " + g[2] }},
	{"", regexp.MustCompile(number + `([A-Za-z])?`), func(g []string) string {
		w := Decimal(g[1])
		if g[2] != "" {
			w += " "
		}
		return w + g[2]
	}},
}

// notYear are words behind a number that make it a count.
const notYear = `(?i:people|men|women|children|miles|metres|meters|kilometres|kilometers|feet|dollars|pounds|euros|years|days|hours|minutes|seconds|times|words|pages|items|tokens|points|steps|of|percent|votes|copies|calories|soldiers|students|workers|users|jobs|books|cars|cases|units|lines|files|tests)\b`

func centWord(n string) string {
	if n == "1" {
		return "cent"
	}
	return "cents"
}

// groups says a telephone number digit by digit, a pause between its groups.
func groups(s string) string {
	parts := strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	for i, p := range parts {
		parts[i] = Digits(p)
	}
	return strings.Join(parts, ", ")
}

func version(named bool, v, prefix string) string {
	parts := strings.Split(v, ".")
	for i, p := range parts {
		parts[i] = Cardinal(p)
	}
	w := strings.Join(parts, " point ")
	if named {
		return "version " + w
	}
	return prefix + w
}

// unit says a number or a range with its unit.
func unit(g []string) string {
	pre, sign, a, b, name, post := g[1], g[2], g[3], g[4], g[5], g[6]
	if b != "" {
		return pre + signed(sign+a) + " to " + Decimal(b) + " " + unitName(name, b) + post
	}
	return pre + signed(sign+a) + " " + unitName(name, a) + post
}

// unitNames is an alternation of the units: those of a single letter, which
// must touch their number, or the others.
func unitNames(single bool) string {
	var names []string
	for u := range units {
		if (u == "in" || len([]rune(u)) == 1 && !strings.Contains("°ΩmgLlWVsh", u)) == single {
			names = append(names, regexp.QuoteMeta(u))
		}
	}
	sortLongest(names) // the expression takes the first that fits
	return strings.Join(names, "|")
}

// sortLongest puts longer strings first.
func sortLongest(s []string) {
	slices.SortFunc(s, func(a, b string) int {
		if n := len(b) - len(a); n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
}
