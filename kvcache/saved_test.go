package kvcache

import (
	"strings"
	"testing"
)

// TestSavedRunsLeaveFirst keeps three idle runs of one worth and saves the one used
// last: it is evicted before the older ones, as far as it was saved.
func TestSavedRunsLeaveFirst(t *testing.T) {
	w := newWorld(300, 8)
	prompt := func(first Token) []Token {
		out := make([]Token, 90)
		for i := range out {
			out[i] = first + Token(i)
		}
		return out
	}
	keep := func(first Token) {
		t.Helper()
		id, err := w.open(t, "", prompt(first))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.extend(t, id, prompt(first)); err != nil {
			t.Fatal(err)
		}
		if err := w.tree.Close(id, true); err != nil {
			t.Fatal(err)
		}
		delete(w.want, id)
	}
	for i := range Token(3) {
		keep(1000 * (i + 1))
	}
	for range 2 {
		if _, ok := w.tree.Unsaved(false); !ok {
			t.Fatal("Unsaved = none, want one")
		}
	}
	if got := w.tree.Spare(); got != 30 {
		t.Fatalf("Spare = %d, want the 30 free cells", got)
	}
	id, held, err := w.tree.Open("", prompt(3000), 90)
	if err != nil || held != 90 {
		t.Fatalf("Open = %d tokens, %v", held, err)
	}
	if err := w.tree.Close(id, true); err != nil {
		t.Fatal(err)
	}
	w.tree.Saved(id, 90)
	if got := w.tree.Spare(); got != 120 {
		t.Fatalf("Spare = %d, want 30 free and 90 saved", got)
	}
	if got, ok := w.tree.Unsaved(false); !ok || got == id {
		t.Fatalf("Unsaved = %d, %v; want another than %d", got, ok, id)
	}
	if space, tokens := w.tree.Path(id, nil); space != "" || len(tokens) != 90 {
		t.Fatalf("Path = %q, %d tokens", space, len(tokens))
	}
	keep(4000)
	if a, b, c := w.tree.Match("", prompt(1000)), w.tree.Match("", prompt(2000)), w.tree.Match("", prompt(3000)); a != 90 || b != 90 || c == 90 {
		t.Fatalf("held %d, %d and of the saved one %d tokens; want the saved one cut", a, b, c)
	}
	w.check(t)
	var out strings.Builder
	w.tree.Print(&out, func(ts []Token) string { return "…" })
	if got := out.String(); !strings.Contains(got, "300 cells") || strings.Count(got, "hits") != 4 && strings.Count(got, "hits") != 3 {
		t.Errorf("Print = %s", got)
	}
}
