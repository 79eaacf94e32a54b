package text

import (
	"bufio"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write what the normaliser says into testdata; read the difference before committing it")

const englishCases = "testdata/english.tsv"

// TestNormaliseEnglish checks the table of written and spoken forms, a pair a
// line with a tab between them.
func TestNormaliseEnglish(t *testing.T) {
	f, err := os.Open(englishCases)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := NewNormaliser("en-US")
	var out strings.Builder
	cases := 0
	for sc := bufio.NewScanner(f); sc.Scan(); {
		written, want, ok := strings.Cut(sc.Text(), "\t")
		if !ok && !*update {
			t.Errorf("%s: line %q has no tab", englishCases, sc.Text())
			continue
		}
		cases++
		got := n.Normalise(written)
		out.WriteString(written + "\t" + got + "\n")
		if got != want && !*update {
			t.Errorf("Normalise(%q) = %q, want %q", written, got, want)
		}
	}
	if cases < 300 {
		t.Errorf("%s has %d cases, want at least 300", englishCases, cases)
	}
	if *update {
		if err := os.WriteFile(englishCases, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNormaliseOtherLanguages(t *testing.T) {
	f := func(language, s, want string) {
		t.Helper()
		if got := NewNormaliser(language).Normalise(s); got != want {
			t.Errorf("Normalise(%q) in %s = %q, want %q", s, language, got, want)
		}
	}
	f("de", "Das kostet **3,50 €** 😀.", "Das kostet 3,50 €.")
	f("fr", "Voir [ici](https://a.b) à 10:30", "Voir ici à 10:30")
	f("en-GB", "On 1/2/2003", "On February first, two thousand and three")
	f("en-US", "On 1/2/2003", "On January second, two thousand and three")
}

func TestNumbers(t *testing.T) {
	f := func(name, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	f("Cardinal(1000001)", Cardinal("1000001"), "one million and one")
	f("Cardinal(40 digits)", Cardinal(strings.Repeat("1", 40)), strings.TrimSpace(strings.Repeat("one ", 40)))
	f("Ordinal(112)", Ordinal("112"), "one hundred and twelfth")
	f("Ordinal(0)", Ordinal("0"), "zeroth")
	f("Year(2000)", Year("2000"), "two thousand")
	f("Year(1906)", Year("1906"), "nineteen oh six")
	f("Decimal(.5)", Decimal(".5"), "zero point five")
	f("roman(MCMXCIV)", roman("MCMXCIV"), "1994")
	f("roman(IIII)", roman("IIII"), "")
}

// Whatever comes in, what goes to the phonemizer is valid, has no digits left,
// and is not many times longer.
func checkNormalised(t interface{ Errorf(string, ...any) }, s string) {
	got := NewNormaliser("en").Normalise(s)
	if !utf8.ValidString(got) {
		t.Errorf("Normalise(%q) = %q, not valid UTF-8", s, got)
	}
	for _, r := range got {
		if r >= '0' && r <= '9' || r == '\n' || unicode.IsControl(r) {
			t.Errorf("Normalise(%q) = %q has %q left", s, got, r)
			return
		}
	}
	if len(got) > 64*len(s)+64 {
		t.Errorf("Normalise of %d bytes gave %d", len(s), len(got))
	}
}

func TestNormaliseAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.OneOf(
			rapid.String(),
			rapid.SampledFrom([]string{"$", "3.5", "10:30", "1990s", "Dr.", "%", "-", "1/2", "**", "`", "km", "😀", "\x00", "2024-01-02", "v1.2", " ", "x", "No.", "e.g.", "²", "½", "+1 555", "'", "#", "_", "I", "VIII", "<b>", "a.m."}),
		), 0, 12).Draw(t, "parts")
		checkNormalised(t, strings.Join(parts, ""))
	})
}

func FuzzNormalise(f *testing.F) {
	for _, s := range []string{"", "It costs $3.50 at 10:30.", "**a** [b](c) `d`", "1/2/3-4:5%", "\xff\xfe", "0x1F 1e9 v1.2.3 ½ x² H₂O"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4096 {
			return
		}
		checkNormalised(t, s)
	})
}
