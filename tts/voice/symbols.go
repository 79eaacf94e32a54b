package voice

import "strings"

// The alphabets of Kokoro and Kitten: a symbol's place is its id, "·" stands
// for ids that no symbol has. Both are the table of StyleTTS 2 (pad, marks,
// letters, IPA); Kokoro's is as in its config.json.
const kokoroSymbols = "" +
	"·;:,.!?··—…\"()“” " +
	"\u0303ʣʥʦʨᵝꭧAI·····O·Q·ST··W·Yᵊ" +
	"abcdef·hijklmnopqrstuvwxyz" +
	"ɑɐɒæ··βɔɕç·ɖðʤə·ɚɛɜ··ɟ·ɡ······ɥ·ɨɪʝ······" +
	"ɯɰŋɳɲɴø·ɸθœ··ɹ·ɾɻ·ʁɽʂʃʈʧ·ʊʋ·ʌɣɤ·χʎ·" +
	"··ʒʔ·······ˈˌː···ʰ·ʲ····↓·→↗↘···ᵻ"

const kittenSymbols = "" +
	"$;:,.!?¡¿—…\"«»“” " +
	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" +
	"abcdefghijklmnopqrstuvwxyz" +
	"ɑɐɒæɓʙβɔɕçɗɖðʤəɘɚɛɜɝɞɟʄɡɠɢʛɦɧħɥʜɨɪʝɭɬɫɮʟɱ" +
	"ɯɰŋɳɲɴøɵɸθœɶʘɹɺɾɻʀʁɽʂʃʈʧʉʊʋⱱʌɣɤʍχʎʏ" +
	"ʑʐʒʔʡʕʢǀǁǂǃˈˌːˑʼʴʰʱʲʷˠˤ˞↓↑→↗↘'\u0329'ᵻ"

// symbolIDs turns an alphabet into a table; of a symbol that stands there
// twice, the later place counts.
func symbolIDs(symbols string) map[rune]int64 {
	out := map[rune]int64{}
	id := int64(0)
	for _, r := range symbols {
		if r != '·' {
			out[r] = id
		}
		id++
	}
	return out
}

// Kokoro was taught English in an alphabet of its own, with one letter for each
// diphthong. What espeak-ng writes in several, or in others, is rewritten;
// longer ones come first, because the first that fits is taken.
var (
	american = strings.NewReplacer(
		"ʔˌn\u0329", "tᵊn", "ʔn\u0329", "tᵊn", "n\u0329", "ᵊn", "l\u0329", "ᵊl", "m\u0329", "ᵊm",
		"aɪ", "I", "aʊ", "W", "eɪ", "A", "ɔɪ", "Y", "oʊ", "O", "əʊ", "O", "tʃ", "ʧ", "dʒ", "ʤ",
		"ɜːɹ", "ɜɹ", "ɜː", "ɜɹ", "ɝ", "ɜɹ", "ɚ", "əɹ", "ɪə", "iə", "oː", "ɔ", "o", "ɔ",
		"r", "ɹ", "ɐ", "ə", "ɾ", "T", "ʔ", "t", "ɫ", "l", "ɬ", "l", "x", "k", "ç", "k", "ː", "", "\u0303", "", "-", "",
	)
	british = strings.NewReplacer(
		"ʔn\u0329", "tᵊn", "n\u0329", "ᵊn", "l\u0329", "ᵊl", "m\u0329", "ᵊm",
		"aɪ", "I", "aʊ", "W", "eɪ", "A", "ɔɪ", "Y", "əʊ", "Q", "oʊ", "Q", "tʃ", "ʧ", "dʒ", "ʤ",
		"eə", "ɛː", "iə", "ɪə", "ɚ", "ə", "oː", "ɔː", "e", "ɛ", "ᵻ", "ɪ",
		"r", "ɹ", "ɐ", "ə", "ɾ", "t", "ʔ", "t", "ɫ", "l", "ɬ", "l", "x", "k", "ç", "k", "\u0303", "", "-", "",
	)
	foreign = strings.NewReplacer("tʃ", "ʧ", "dʒ", "ʤ", "ts", "ʦ", "dz", "ʣ", "-", "")
)

// kokoroUnits rewrites phonemes for Kokoro.
func kokoroUnits(units, espeak string) string {
	switch espeak {
	case "en-us":
		return american.Replace(units)
	case "en-gb":
		return british.Replace(units)
	}
	return foreign.Replace(units)
}
