package text

import (
	"regexp"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

func isScript(r rune) bool {
	return strings.ContainsRune("⁰¹²³⁴⁵⁶⁷⁸⁹⁻₀₁₂₃₄₅₆₇₈₉", r)
}

const (
	number = `(\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)`
	months = `Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?`
)

// rule rewrites what its expression matches. Rules run in order; guard is a
// cheap test that skips most of them.
type rule struct {
	guard string // one of these bytes must occur; empty = always
	re    *regexp.Regexp
	f     func(g []string) string
}

func (r rule) apply(s string) string {
	if r.guard != "" && !strings.ContainsAny(s, r.guard) {
		return s
	}
	m := r.re.FindAllStringSubmatchIndex(s, -1)
	if m == nil {
		return s
	}
	var b strings.Builder
	at := 0
	for _, x := range m {
		g := make([]string, len(x)/2)
		for i := range g {
			if x[2*i] >= 0 {
				g[i] = s[x[2*i]:x[2*i+1]]
			}
		}
		b.WriteString(s[at:x[0]])
		b.WriteString(r.f(g))
		at = x[1]
	}
	b.WriteString(s[at:])
	return b.String()
}

var currencies = map[string][2]string{ // unit, hundredth
	"$": {"dollar", "cent"}, "US$": {"U.S. dollar", "cent"}, "A$": {"Australian dollar", "cent"}, "C$": {"Canadian dollar", "cent"}, "£": {"pound", "penny"}, "€": {"euro", "cent"},
	"¥": {"yen", ""}, "₹": {"rupee", "paisa"}, "₽": {"rouble", "kopek"}, "₩": {"won", ""}, "₿": {"bitcoin", ""},
	"USD": {"U.S. dollar", "cent"}, "EUR": {"euro", "cent"}, "GBP": {"pound", "penny"}, "JPY": {"yen", ""}, "CHF": {"Swiss franc", "centime"},
}

var magnitudes = map[string]string{"k": "thousand", "K": "thousand", "m": "million", "M": "million", "mn": "million", "b": "billion", "B": "billion",
	"bn": "billion", "T": "trillion", "tn": "trillion", "thousand": "thousand", "million": "million", "billion": "billion", "trillion": "trillion"}

// money says an amount: "$3.50" is three dollars and fifty cents.
func money(sign, amount, magnitude string) string {
	c := currencies[sign]
	amount = strings.ReplaceAll(amount, ",", "")
	many := func(w string, n string) string {
		if n == "1" || w == "yen" || w == "won" {
			return w
		}
		if w == "penny" {
			return "pence"
		}
		return plural(w)
	}
	if magnitude != "" {
		return Decimal(amount) + " " + magnitudes[magnitude] + " " + many(c[0], "2")
	}
	whole, frac, ok := strings.Cut(amount, ".")
	if ok && len(frac) == 2 && c[1] != "" {
		cents := strings.TrimLeft(frac, "0")
		switch {
		case cents == "":
			return Cardinal(whole) + " " + many(c[0], whole)
		case strings.Trim(whole, "0") == "":
			return Cardinal(cents) + " " + many(c[1], cents)
		}
		return Cardinal(whole) + " " + many(c[0], whole) + " and " + Cardinal(cents) + " " + many(c[1], cents)
	}
	return Decimal(amount) + " " + many(c[0], amount)
}

var units = map[string]string{
	"km": "kilometre", "m": "metre", "cm": "centimetre", "mm": "millimetre", "µm": "micrometre", "nm": "nanometre", "mi": "mile", "ft": "foot", "yd": "yard",
	"kg": "kilogram", "g": "gram", "mg": "milligram", "µg": "microgram", "lb": "pound", "lbs": "pound", "oz": "ounce", "t": "tonne",
	"l": "litre", "L": "litre", "ml": "millilitre", "mL": "millilitre", "cl": "centilitre", "gal": "gallon", "pt": "pint",
	"s": "second", "sec": "second", "secs": "second", "ms": "millisecond", "µs": "microsecond", "ns": "nanosecond", "min": "minute", "mins": "minute", "h": "hour", "hr": "hour", "hrs": "hour",
	"Hz": "hertz", "kHz": "kilohertz", "MHz": "megahertz", "GHz": "gigahertz", "W": "watt", "kW": "kilowatt", "MW": "megawatt", "GW": "gigawatt", "kWh": "kilowatt hour", "Wh": "watt hour",
	"V": "volt", "mV": "millivolt", "kV": "kilovolt", "A": "ampere", "mA": "milliampere", "mAh": "milliampere hour", "J": "joule", "kJ": "kilojoule", "cal": "calorie", "kcal": "kilocalorie", "N": "newton", "Pa": "pascal", "hPa": "hectopascal", "kPa": "kilopascal",
	"B": "byte", "kB": "kilobyte", "KB": "kilobyte", "MB": "megabyte", "GB": "gigabyte", "TB": "terabyte", "PB": "petabyte", "KiB": "kibibyte", "MiB": "mebibyte", "GiB": "gibibyte", "TiB": "tebibyte",
	"kb": "kilobit", "Mb": "megabit", "Gb": "gigabit", "Mbit": "megabit", "Gbit": "gigabit", "kbit": "kilobit", "px": "pixel", "dB": "decibel", "fps": "frame per second", "rpm": "revolution per minute", "ppm": "part per million",
	"mph": "mile per hour", "kph": "kilometre per hour", "kmh": "kilometre per hour", "km/h": "kilometre per hour", "m/s": "metre per second", "ft/s": "foot per second", "mi/h": "mile per hour", "MB/s": "megabyte per second", "GB/s": "gigabyte per second", "KB/s": "kilobyte per second", "kB/s": "kilobyte per second", "Mbps": "megabit per second", "Gbps": "gigabit per second", "Mbit/s": "megabit per second", "Gbit/s": "gigabit per second", "kbit/s": "kilobit per second", "kbps": "kilobit per second", "tok/s": "token per second", "req/s": "request per second",
	"km²": "square kilometre", "km2": "square kilometre", "m²": "square metre", "m2": "square metre", "cm²": "square centimetre", "m³": "cubic metre", "m3": "cubic metre", "cm³": "cubic centimetre", "ha": "hectare", "sq ft": "square foot", "sq mi": "square mile", "sq km": "square kilometre",
	"°C": "degree Celsius", "°F": "degree Fahrenheit", "°": "degree", "ºC": "degree Celsius", "ºF": "degree Fahrenheit", "mmHg": "millimetre of mercury", "in": "inch", "bpm": "beat per minute", "mol": "mole", "eV": "electronvolt", "keV": "kilo-electronvolt", "MeV": "mega-electronvolt", "lm": "lumen", "Ω": "ohm", "kΩ": "kilohm",
}

// unitName gives the unit's name for the amount.
func unitName(unit, amount string) string {
	n := units[unit]
	if amount == "1" || amount == "-1" {
		return n
	}
	switch n {
	case "hertz", "kilohertz", "megahertz", "gigahertz", "kelvin":
		return n
	}
	head, tail := n, ""
	for _, sep := range []string{" per ", " of ", " Celsius", " Fahrenheit"} {
		if i := strings.Index(n, sep); i >= 0 {
			head, tail = n[:i], n[i:]
			break
		}
	}
	i := strings.LastIndexByte(head, ' ') + 1
	return head[:i] + plural(head[i:]) + tail
}

func signed(s string) string {
	if t, ok := strings.CutPrefix(s, "-"); ok {
		return "minus " + Decimal(t)
	}
	if t, ok := strings.CutPrefix(s, "+"); ok {
		return "plus " + Decimal(t)
	}
	return Decimal(s)
}
