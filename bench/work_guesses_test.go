package bench

import "testing"

func TestCopied(t *testing.T) {
	const prompt = "Repeat: the old captain keeps a letter from abroad. The end"
	f := func(text string, want float64) {
		t.Helper()
		if got := copied(text, prompt); got != want {
			t.Errorf("copied(%q) = %g, want %g", text, got, want)
		}
	}
	f("", 0)
	f("the old captain", 0) // fewer words than a run
	f("the old captain keeps", 1)
	f("the old captain keeps a letter", 1)
	f("1. the old captain keeps a letter from", 7./8)
	f("captain keeps a letter or captain keeps a letter", 8./9)
	f("the old captain sells a letter from abroad", 0) // runs of three and of two
	f("he old captain keeps", 0)                       // words, not letters
}
