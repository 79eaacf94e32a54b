package tts

import "container/list"

// shelf holds the takes that are under way and the finished ones, these within
// a bound of bytes, the longest unused one going first. Its owner locks it.
type shelf struct {
	running map[string]*take
	ready   map[string]*list.Element // of *take
	order   *list.List               // the last used first
	size    int64
	limit   int64
}

func newShelf(limit int64) *shelf {
	return &shelf{running: map[string]*take{}, ready: map[string]*list.Element{}, order: list.New(), limit: max(limit, 0)}
}

// keep is the most one take may have to be kept.
func (s *shelf) keep() int64 { return s.limit / 4 }

// find gives a take of the key and whether it is finished.
func (s *shelf) find(key string) (t *take, ready bool) {
	if e, ok := s.ready[key]; ok {
		s.order.MoveToFront(e)
		return e.Value.(*take), true
	}
	return s.running[key], false
}

// overhead is what an entry costs beside its bytes, roughly.
const overhead = 512

// ended moves a take from the running to the finished, or drops it.
func (s *shelf) ended(t *take) {
	if s.running[t.key] == t {
		delete(s.running, t.key)
	}
	s.put(t)
}

// put adds a finished take, unless it is too large or there already.
func (s *shelf) put(t *take) {
	n, ok := t.complete()
	if !ok || n > s.keep() {
		return
	}
	if _, had := s.ready[t.key]; had {
		return
	}
	s.ready[t.key] = s.order.PushFront(t)
	s.size += n + overhead
	for s.size > s.limit {
		e := s.order.Back()
		old := s.order.Remove(e).(*take)
		delete(s.ready, old.key)
		n, _ := old.complete()
		s.size -= n + overhead
	}
}
