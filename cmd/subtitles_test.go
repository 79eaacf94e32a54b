package cmd

import (
	"strings"
	"testing"
	"time"

	"repartee/tts"
)

func TestSubtitles(t *testing.T) {
	var words []tts.Span
	at := time.Duration(0)
	for _, text := range strings.Fields("Hello there. It was a long and quiet evening in the small town by the sea, and nobody who lived there wanted it to end | at all") {
		if text == "|" {
			at += time.Second
			continue
		}
		words = append(words, tts.Span{Text: text, Start: at, End: at + 250*time.Millisecond})
		at += 300 * time.Millisecond
	}
	words[len(words)-1].End += time.Hour
	var b strings.Builder
	if err := writeSRT(&b, words); err != nil {
		t.Fatal(err)
	}
	want := `1
00:00:00,000 --> 00:00:00,550
Hello there.

2
00:00:00,600 --> 00:00:05,650
It was a long and quiet evening in the
small town by the sea, and nobody who

3
00:00:05,700 --> 00:00:07,450
lived there wanted it to end

4
00:00:08,500 --> 01:00:09,050
at all

`
	if got := b.String(); got != want {
		t.Errorf("writeSRT = \n%s, want\n%s", got, want)
	}
	for _, line := range strings.Split(b.String(), "\n") {
		if len(line) > lineWidth {
			t.Errorf("the line %q has %d characters, want at most %d", line, len(line), lineWidth)
		}
	}
	b.Reset()
	if err := writeSRT(&b, nil); err != nil || b.Len() > 0 {
		t.Errorf("writeSRT of nothing = %q (%v), want nothing", b.String(), err)
	}
}
