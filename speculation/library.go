package speculation

import "slices"

// Bounds of a Library: tokens of a namespace, and namespaces.
const (
	shelfSize  = 32 << 10
	maxShelves = 64
)

// Library keeps what was answered, each namespace apart, bounded in size: of a
// full shelf the older half goes, of too many shelves the one not used longest.
type Library struct {
	shelves map[string]*shelf
	clock   int64
}

type shelf struct {
	text  []Token
	index Index
	used  int64
}

// NewLibrary returns an empty one.
func NewLibrary() *Library { return &Library{shelves: map[string]*shelf{}} }

// Add keeps a text for the namespace.
func (l *Library) Add(space string, text []Token) {
	if len(text) <= gram {
		return
	}
	if len(text) > shelfSize/4 {
		text = text[len(text)-shelfSize/4:]
	}
	s := l.open(space)
	if s == nil {
		s = &shelf{}
		if len(l.shelves) >= maxShelves {
			l.drop()
		}
		l.shelves[space] = s
		s.used = l.clock
	}
	if len(s.text)+len(text)+1 > shelfSize {
		s.text = slices.Delete(s.text, 0, len(s.text)/2)
		s.index.Reset()
	}
	s.text = append(append(s.text, -1), text...)
	s.index.Add(s.text)
}

// open returns a namespace's shelf and marks it as used; nil for none.
func (l *Library) open(space string) *shelf {
	l.clock++
	s := l.shelves[space]
	if s != nil {
		s.used = l.clock
	}
	return s
}

func (l *Library) drop() {
	oldest := ""
	for space, s := range l.shelves {
		if o := l.shelves[oldest]; o == nil || s.used < o.used {
			oldest = space
		}
	}
	delete(l.shelves, oldest)
}

// Find is Index.Find over the namespace's texts.
func (l *Library) Find(space string, tail []Token) (text []Token, next, length int) {
	s := l.open(space)
	if s == nil {
		return nil, 0, 0
	}
	next, length = s.index.Find(s.text, tail)
	return s.text, next, length
}
