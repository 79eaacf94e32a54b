package speculation

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// slowFind is Find by trying every place.
func slowFind(text, tail []Token) (next, length int) {
	for end := len(text) - 1; end >= gram; end-- {
		k := 0
		for k < maxMatch && k < end && k < len(tail) && text[end-1-k] == tail[len(tail)-1-k] && text[end-1-k] >= 0 {
			k++
		}
		if k >= gram && k > length && text[end] >= 0 {
			next, length = end, k
		}
	}
	return next, length
}

func tokens(low Token) *rapid.Generator[[]Token] {
	return rapid.SliceOfN(rapid.Int32Range(low, 3), 0, 60)
}

func TestFindIsTheLongestMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, tail := tokens(-1).Draw(t, "text"), tokens(0).Draw(t, "tail")
		if rapid.Bool().Draw(t, "own") {
			text = tail
		}
		var x Index
		for i := range text { // as it grows
			x.Add(text[:i+1])
		}
		next, length := x.Find(text, tail)
		wantNext, wantLength := slowFind(text, tail)
		if length > wantLength || length > 0 && !slices.Equal(text[next-length:next], tail[len(tail)-length:]) {
			t.Fatalf("Find(%v, %v) = %d, %d, want %d, %d", text, tail, next, length, wantNext, wantLength)
		}
		// Only what lies behind more places than a search looks at may be missed.
		if length < wantLength && len(text) <= maxPlaces+gram {
			t.Fatalf("Find(%v, %v) = length %d, want %d", text, tail, length, wantLength)
		}
	})
}

func TestFollow(t *testing.T) {
	f := func(text []Token, next, most int, loop bool, want ...Token) {
		t.Helper()
		if got := follow([]Token{9}, text, next, most, loop); !slices.Equal(got[1:], want) {
			t.Errorf("follow(%v, %d, %d, %v) = %v, want %v", text, next, most, loop, got[1:], want)
		}
	}
	f([]Token{1, 2, 3, 4}, 1, 2, false, 2, 3)
	f([]Token{1, 2, 3, 4}, 2, 9, false, 3, 4)
	f([]Token{1, 2, 3, 1, 2, 3}, 3, 7, true, 1, 2, 3, 1, 2, 3, 1)
	f([]Token{1, 2, -1, 4}, 1, 9, false, 2)
	f([]Token{1}, 1, 3, false)
}

func TestLibraryKeepsNamespacesApartAndIsBounded(t *testing.T) {
	l := NewLibrary()
	l.Add("a", []Token{1, 2, 3, 4, 5})
	if _, _, n := l.Find("b", []Token{1, 2, 3}); n != 0 {
		t.Fatalf("another namespace's text was found, length %d", n)
	}
	text, next, n := l.Find("a", []Token{7, 1, 2, 3})
	if n != 3 || text[next] != 4 {
		t.Fatalf("Find = length %d, want 3 and then token 4", n)
	}
	if _, _, n := l.Find("a", []Token{3, 4, 5}); n != 0 {
		t.Fatalf("a text's end was found with length %d and nothing behind it", n)
	}
	for i := range 200 {
		long := make([]Token, 1000)
		for k := range long {
			long[k] = Token(i*1000 + k)
		}
		l.Add("a", long)
		if size := len(l.shelves["a"].text); size > shelfSize {
			t.Fatalf("after %d texts the shelf holds %d tokens, want at most %d", i+2, size, shelfSize)
		}
	}
	if _, _, n := l.Find("a", []Token{199000, 199001, 199002}); n != 3 {
		t.Fatal("the newest text is gone")
	}
	if _, _, n := l.Find("a", []Token{1, 2, 3}); n != 0 {
		t.Fatal("the oldest text is still there")
	}
	for i := range 3 * maxShelves {
		l.Add(string(rune('A'+i)), []Token{1, 2, 3, 4})
	}
	if len(l.shelves) > maxShelves {
		t.Fatalf("%d shelves, want at most %d", len(l.shelves), maxShelves)
	}
}
