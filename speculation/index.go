package speculation

// gram is how many tokens must be the same before a place counts as met before.
const gram = 3

// Bounds of a search: places looked at, and the longest match that is told
// from longer ones.
const (
	maxPlaces = 16
	maxMatch  = 32
)

// Index finds where the last tokens of a text occurred in a text before. It
// grows with its text; places with the same hash are chained, the newest first.
type Index struct {
	head []int32 // by hash: the newest place + 1; a power of two long
	prev []int32 // by place: the place before with the same hash, + 1
}

// Add takes in what text has grown by since the last call.
func (x *Index) Add(text []Token) {
	for i := len(x.prev); i < len(text); i++ {
		if 2*i >= len(x.head) {
			x.grow(text[:i])
		}
		x.add(text, i)
	}
}

func (x *Index) add(text []Token, i int) {
	if i < gram-1 {
		x.prev = append(x.prev, 0)
		return
	}
	h := x.slot(text[i-2], text[i-1], text[i])
	x.prev = append(x.prev, x.head[h])
	x.head[h] = int32(i + 1)
}

func (x *Index) grow(text []Token) {
	x.head = make([]int32, max(1024, 2*len(x.head)))
	x.prev = x.prev[:0]
	for i := range text {
		x.add(text, i)
	}
}

// Reset forgets the text.
func (x *Index) Reset() {
	clear(x.head)
	x.prev = x.prev[:0]
}

// slot hashes three tokens; the factors are large odd numbers.
func (x *Index) slot(a, b, c Token) uint32 {
	h := uint32(a)*2654435761 ^ uint32(b)*2246822519 ^ uint32(c)*3266489917
	return (h ^ h>>15) & uint32(len(x.head)-1)
}

// Find returns the place behind the longest run of text that is also the end of
// tail, and the run's length, at most maxMatch; the newest of equally long ones.
// A length of 0 means that there is none of at least three tokens with something
// behind it. text is what was added; tail may be text itself.
func (x *Index) Find(text, tail []Token) (next, length int) {
	n := len(tail)
	if n < gram || len(x.head) == 0 {
		return 0, 0
	}
	at := x.head[x.slot(tail[n-3], tail[n-2], tail[n-1])]
	for places := 0; at > 0 && places < maxPlaces; places++ {
		end := int(at) // behind the run
		at = x.prev[end-1]
		if end >= len(text) || text[end] < 0 {
			continue
		}
		k := 0
		for k < maxMatch && k < end && k < n && text[end-1-k] == tail[n-1-k] && tail[n-1-k] >= 0 {
			k++
		}
		if k >= gram && k > length {
			next, length = end, k
			if k == maxMatch {
				break
			}
		}
	}
	return next, length
}

// follow appends up to most tokens that stand at next in text; where loop is
// set, what was appended counts as text too, so that a repetition goes on.
func follow(dst, text []Token, next, most int, loop bool) []Token {
	from := len(dst)
	for i := next; len(dst)-from < most; i++ {
		var t Token
		switch {
		case i < len(text):
			t = text[i]
		case loop && i-len(text) < len(dst)-from:
			t = dst[from+i-len(text)]
		default:
			return dst
		}
		if t < 0 {
			return dst
		}
		dst = append(dst, t)
	}
	return dst
}
