package e2e

import (
	"encoding/json"
	"strings"
	"testing"
)

// Nasty texts are spoken or refused with 400, and the server goes on.
func TestNastyTexts(t *testing.T) {
	const big = 10 << 20
	f := func(name, text string, ssml bool, allowed ...int) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"text": text, "format": "wav", "ssml": ssml, "speed": 4, "pause": "none"})
		if err != nil {
			t.Fatal(err)
		}
		status, answer, h := shared.post(t, "/tts", string(body))
		for _, s := range allowed {
			if s != status {
				continue
			}
			if status == 200 && (len(answer) < 1000 || h.Get("Content-Type") != "audio/wav") {
				t.Errorf("%s: 200 with %d bytes of %s", name, len(answer), h.Get("Content-Type"))
			}
			if status != 200 && !strings.Contains(answer, `"error"`) {
				t.Errorf("%s: %d %.200s, want an error object", name, status, answer)
			}
			return
		}
		t.Errorf("%s: %d %.200s, want %v", name, status, answer, allowed)
	}
	say, refuse := []int{200}, []int{400}
	either := []int{200, 400}
	f("right to left", "שלום עולם, مرحبا بالعالم", false, say...)
	f("marks of direction", "\u202eolleh\u202c \u2066abc\u2069 and more", false, say...)
	f("control characters", "Hello\x00\x01\x02\x1b[31m\x7f there\u0085\u2028now", false, say...)
	f("only control characters", "\x00\x01\x02\x1b\x7f", false, refuse...)
	f("only punctuation", "?!... — (…) «» „“ ;:,", false, refuse...)
	f("only emoji", "👩‍👩‍👧‍👦🏳️‍🌈😀", false, refuse...)
	f("only marks that join", "\u200d\u200b\u2060\ufeff\u0301", false, refuse...)
	f("private use", "\U000F0000\U0010FFFD", false, refuse...)
	f("many accents", "Z"+strings.Repeat("\u0301\u0338\u0489", 500)+"algo", false, either...)
	f("Chinese", "你好，世界。", false, either...)
	f("Thai without spaces", strings.Repeat("สวัสดี", 20), false, either...)
	f("letters of mathematics", "𝕳𝖊𝖑𝖑𝖔 𝄞", false, either...)
	f("a word without end", strings.Repeat("antidis", 60), false, say...)
	f("digits without end", strings.Repeat("1234567890", 12), false, say...)
	f("brackets without end", strings.Repeat("[", 3000)+"a"+strings.Repeat("]", 3000), false, say...)
	f("espeak's own notation", "[[h@loU]] and {{x}} and \x1b", false, say...)
	f("markup", "**a** `b` <c> [d](e) | f | # g", false, say...)
	f("broken SSML", "<speak>a<break time='never'/></speak>", true, refuse...)
	f("SSML without an end", "<speak>"+strings.Repeat("<p>", 200), true, refuse...)
	f("entities of entities", "<!DOCTYPE a [<!ENTITY x 'yyyyyyyy'>]><speak>&x;</speak>", true, either...)
	f("SSML of pauses", "<speak>"+strings.Repeat("<break time='1s'/>", 50)+"</speak>", true, refuse...)
	f("10 MB of letters", strings.Repeat("a", big), false, 400, 413)
	f("3 MB of punctuation", strings.Repeat("...!", 3<<18), false, 400)
	f("2 MB of words", strings.Repeat("word ", 400_000), false, 400)
	status, answer, _ := shared.post(t, "/tts", "{\"text\":\"a \xff\xfe b\",\"format\":\"wav\"}")
	if status != 200 && status != 400 {
		t.Errorf("bytes that are not UTF-8: %d %.200s, want 200 or 400", status, answer)
	}
	f("after all that", "Still here.", false, say...)
}
