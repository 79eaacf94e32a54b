package tier

import (
	"slices"
	"testing"

	"repartee/kvcache"
)

// scarce is memory that gives every second time, and knows what it has given.
type scarce struct {
	asked int
	given [][]byte
	wrong int
}

func (m *scarce) Take(n int) []byte {
	if m.asked++; m.asked%2 == 0 {
		return nil
	}
	b := make([]byte, n)
	m.given = append(m.given, b)
	return b
}

func (m *scarce) Give(b []byte) {
	i := slices.IndexFunc(m.given, func(g []byte) bool { return &g[0] == &b[0] && len(g) == len(b) })
	if i < 0 {
		m.wrong++
		return
	}
	m.given = slices.Delete(m.given, i, i+1)
}

// TestMemoryGoesBackWhereItCameFrom fills a store over and over, from memory that
// is short and from the system.
func TestMemoryGoesBackWhereItCameFrom(t *testing.T) {
	m := &scarce{}
	s := open(t, Config{Host: 40 * 4096, Memory: m})
	var path []kvcache.Token
	for i := range 3 * Block {
		path = append(path, kvcache.Token(i))
	}
	for i := range 60 {
		path[0] = kvcache.Token(1000 + i)
		if n := keep(t, s, "", path); n != len(path) {
			t.Fatalf("path %d: %d of %d tokens are held", i, n, len(path))
		}
		if got := restore(t, s, "", path); got != len(path) {
			t.Fatalf("path %d: %d of %d tokens come back", i, got, len(path))
		}
	}
	held := int64(0)
	for _, b := range m.given {
		held += int64(len(b))
	}
	if st := s.Stats(); st.PinnedBytes != held || held == 0 || held == st.HostBytes || st.HostEvicted == 0 {
		t.Errorf("%d bytes are said to be of the memory, it gave %d of %d; %d pieces were evicted", st.PinnedBytes, held, st.HostBytes, st.HostEvicted)
	}
	s.Close()
	if len(m.given) != 0 || m.wrong != 0 || s.Stats().PinnedBytes != 0 {
		t.Errorf("after Close %d buffers are out, %d came back that were not given, %d bytes are counted", len(m.given), m.wrong, s.Stats().PinnedBytes)
	}
}
