package tts

import (
	"context"
	"io"
	"slices"
	"sync"
)

// take is one synthesis and its bytes. Several readers may follow it, each at
// its own pace; identical requests share one. The bytes are kept for the cache
// until there are more than keep: then the take belongs to the readers it has
// and forgets what all of them have read.
type take struct {
	info   SpeechInfo
	key    string
	cancel context.CancelFunc

	mu      sync.Mutex
	chunks  [][]byte
	first   int   // index of chunks[0]
	size    int64 // bytes in chunks
	keep    int64 // 0 = not for the cache
	private bool
	done    bool
	err     error
	times   Timings
	said    Captions
	timed   bool          // a reader wants the captions
	spoken  int           // bytes of the text
	points  []Checkpoint  // not yet taken
	changed chan struct{} // closed and replaced at every change
	readers map[*Speech]struct{}
	onIdle  func() // the last reader left before the end
}

// maxUnread bounds what is made and not yet read.
const maxUnread = 1 << 20

func newTake(info SpeechInfo, key string, keep int64) *take {
	return &take{info: info, key: key, keep: keep, private: keep == 0, changed: make(chan struct{}), readers: map[*Speech]struct{}{}}
}

// restored is a finished take out of a file.
func restored(info SpeechInfo, key string, s saved) *take {
	t := newTake(info, key, 1) // shared
	t.chunks, t.said, t.done = s.chunks, s.notes.Captions, true
	t.times = Timings{Audio: s.notes.Audio, Clauses: s.notes.Clauses}
	for _, c := range s.chunks {
		t.size += int64(len(c))
	}
	t.keep = t.size
	return t
}

// wake tells all who wait; the lock is held.
func (t *take) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// add appends a chunk, which the take owns from then on, and waits while the
// readers are far behind.
func (t *take) add(ctx context.Context, b []byte, times Timings) error {
	t.mu.Lock()
	t.chunks = append(t.chunks, b)
	t.size += int64(len(b))
	t.times = times
	if t.size > t.keep {
		t.private = true
	}
	t.wake()
	for {
		t.trim()
		if t.unread() <= maxUnread {
			t.mu.Unlock()
			return ctx.Err()
		}
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		t.mu.Lock()
	}
}

// caption notes when what was just spoken is heard, and how much of the text it was.
func (t *take) caption(c Captions, spoken int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.spoken += spoken
	if t.private && !t.timed { // nobody will ask, and a text may be a book
		t.said = Captions{}
		return
	}
	t.said.append(c)
}

// checkpoint notes a place from which another speech can go on.
func (t *take) checkpoint(c Checkpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.points = append(t.points, c)
}

// unread is how many bytes the fastest reader of a shared take, or the slowest
// of a private one, has before it.
func (t *take) unread() int64 {
	at := -1
	for r := range t.readers {
		if at < 0 || t.private && r.next < at || !t.private && r.next > at {
			at = r.next
		}
	}
	if at < 0 {
		return 0
	}
	n := int64(0)
	for _, c := range t.chunks[max(at-t.first, 0):] {
		n += int64(len(c))
	}
	return n
}

// trim forgets what every reader of a private take has read.
func (t *take) trim() {
	if !t.private || len(t.readers) == 0 {
		return
	}
	low := t.first + len(t.chunks)
	for r := range t.readers {
		low = min(low, r.next)
	}
	n := max(low-1-t.first, 0) // a reader may still hold its last one
	for _, c := range t.chunks[:n] {
		t.size -= int64(len(c))
	}
	t.chunks = slices.Delete(t.chunks, 0, n)
	t.first += n
}

// finish ends the take; err nil means that it is complete.
func (t *take) finish(err error, times Timings) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.err, t.times = true, err, times
	t.wake()
}

// complete says whether the take may be kept, and its size.
func (t *take) complete() (int64, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.size, t.done && t.err == nil && !t.private
}

// join adds a reader; false when the beginning is gone or the take failed.
func (t *take) join(p *Speech, timed bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.private && !t.done && len(t.readers) > 0 || t.first > 0 || t.err != nil {
		return false
	}
	t.readers[p] = struct{}{}
	t.timed = t.timed || timed
	return true
}

// leave removes a reader; the last one to leave a take under way ends it.
func (t *take) leave(p *Speech) {
	t.mu.Lock()
	if _, was := t.readers[p]; !was {
		t.mu.Unlock()
		return
	}
	delete(t.readers, p)
	idle := len(t.readers) == 0 && !t.done
	t.wake()
	f := t.onIdle
	t.mu.Unlock()
	if idle && f != nil {
		f()
	}
}

// read gives the reader's next chunk.
func (t *take) read(ctx context.Context, p *Speech) ([]byte, error) {
	for {
		t.mu.Lock()
		if _, in := t.readers[p]; !in {
			t.mu.Unlock()
			return nil, context.Canceled
		}
		if i := p.next - t.first; i < len(t.chunks) {
			b := t.chunks[i]
			p.next++
			t.wake()
			t.mu.Unlock()
			return b, nil
		}
		if t.done {
			err := t.err
			t.mu.Unlock()
			if err == nil {
				err = io.EOF
			}
			return nil, err
		}
		changed := t.changed
		t.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
