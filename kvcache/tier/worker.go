package tier

import (
	"errors"
	"fmt"
	"hash/crc32"
	"runtime/debug"
	"sync/atomic"
	"time"

	"repartee/kvcache"
)

// Ticket is a fetch under way.
type Ticket struct {
	done   atomic.Bool
	space  string
	tokens []kvcache.Token
	from   int
}

// Done tells whether all of it is in host memory, or will not be.
func (t *Ticket) Done() bool { return t.done.Load() }

// Fetch has the pieces of a path from position `from` on read from their files
// into host memory. The function of SetWake is called when the ticket is done. tokens must not change
// before.
func (s *Store) Fetch(space string, tokens []kvcache.Token, from int) *Ticket {
	t := &Ticket{space: space, tokens: tokens, from: from / Block * Block}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil || s.closing {
		t.done.Store(true)
		return t
	}
	s.tickets = append(s.tickets, t)
	s.changed.Broadcast()
	return t
}

// work is the goroutine that reads and writes files, until Close.
func (s *Store) work() {
	defer close(s.ended)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.collect()
		switch {
		case len(s.tickets) > 0:
			t := s.tickets[0]
			s.tickets = s.tickets[1:]
			if !s.closing {
				s.guard(func() { s.fetch(t) })
			}
			t.done.Store(true)
			wake := s.wake
			s.mu.Unlock()
			wake()
			s.mu.Lock()
			continue
		case s.flush.After(time.Now()) || !s.closing && s.host > s.cfg.Host/4*3:
			if p := s.unwritten(); p != nil {
				s.guard(func() { s.write(p) })
				s.changed.Broadcast()
				continue
			}
		}
		if s.closing {
			return
		}
		s.idle = true
		s.changed.Broadcast() // nothing is left to write: AwaitRoom need not wait
		s.changed.Wait()
		s.idle = false
	}
}

// guard keeps a panic from ending the process; the store goes on without files.
func (s *Store) guard(f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Error("KV tier panic", "panic", p, "stack", string(debug.Stack()))
			s.failing = mostFailures
		}
	}()
	f()
}

// mostFailures in a row end the writing of files.
const mostFailures = 3

// unwritten returns the piece to write next: the most valuable in a flush, else
// the one that leaves memory first; what comes before it goes first.
func (s *Store) unwritten() *piece {
	if s.failing >= mostFailures {
		return nil
	}
	flushing := s.flush.After(time.Now())
	var best *piece
	for _, p := range s.all {
		if p.data == nil || p.file > 0 || p.failed {
			continue
		}
		if best == nil || (s.value(p) > s.value(best)) == flushing {
			best = p
		}
	}
	for p := best; p != nil && p.parent != nil; p = p.parent {
		switch {
		case p.file > 0:
			return best
		case p.failed:
			best.failed = true // nobody could reach it
			return s.unwritten()
		}
		best = p
	}
	return best
}

// write makes a piece's file. The lock is held, and given up meanwhile.
func (s *Store) write(p *piece) {
	p.pins++
	p.parent.pins++ // whose file must not go
	parent := p.parent
	defer func() { s.unpin(parent); s.unpin(p) }()
	head := fileHeader + 4*len(p.tokens)
	size := int64(head + len(p.data))
	if !s.makeDiskRoom(size, s.value(p)) {
		p.failed = true
		return
	}
	s.collect()
	data := p.data
	s.mu.Unlock()
	began := time.Now()
	name := s.path(fileName(p.key))
	err := s.cfg.FS.Write(name+unfinished, encode(s.cfg.Fingerprint, p, data), data)
	if err == nil {
		err = s.cfg.FS.Rename(name+unfinished, name)
	}
	if err != nil {
		_ = s.cfg.FS.Remove(name + unfinished) // found again at the next start
	}
	took := time.Since(began)
	s.mu.Lock()
	s.stats.WriteTime += took
	if err != nil {
		// No room, as a rule: what is there stays within what there was room for.
		s.cfg.Log.Warn("writing a KV entry", "dir", s.cfg.Dir, "error", err)
		s.stats.WriteErrors++
		s.failing++
		p.failed = true
		s.diskCap = min(s.diskCap, s.disk)
		return
	}
	s.failing = 0
	s.stats.Written++
	switch {
	case p.gone || parent.parent != nil && parent.file == 0:
		s.garbage = append(s.garbage, fileName(p.key))
	default:
		p.file = size
		s.disk += size
		s.stats.DiskTokens += int64(len(p.tokens))
	}
	s.verify()
}

// fetch reads what a ticket wants. The lock is held, and given up meanwhile.
func (s *Store) fetch(t *Ticket) {
	for pos := t.from; pos < len(t.tokens); pos += Block {
		p, n := s.at(t.space, t.tokens, pos)
		if p == nil {
			return
		}
		if p.data == nil && !s.load(p) {
			return
		}
		if n < Block {
			return
		}
	}
}

// load brings a piece from its file to host memory. A file that cannot be used
// goes, with all that follows it.
func (s *Store) load(p *piece) bool {
	p.pins++
	defer s.unpin(p)
	size := p.file
	if !s.makeRoom(size) {
		return false
	}
	buffer := s.allocate(int(size))
	s.host += int64(len(buffer))
	s.mu.Unlock()
	began := time.Now()
	h, err := s.read(p.key, buffer[:size])
	took := time.Since(began)
	s.mu.Lock()
	if err != nil || p.gone {
		s.host -= int64(len(buffer))
		s.release(buffer)
		if !p.gone {
			s.cfg.Log.Warn("a KV entry is not used", "file", fileName(p.key), "error", err)
			s.stats.Refused++
			s.remove(p)
		}
		return false
	}
	p.buffer, p.data, p.bytes, p.clock = buffer, buffer[h.length():size], int64(len(buffer)), s.clock
	s.stats.HostTokens += int64(len(p.tokens))
	s.stats.Read++
	s.stats.ReadBytes += size
	s.stats.ReadTime += took
	s.verify()
	return true
}

// read fills b with a whole file and checks it.
func (s *Store) read(key Key, b []byte) (h header, err error) {
	n, err := s.cfg.FS.Read(s.path(fileName(key)), b)
	if err != nil {
		return h, err
	}
	if h, err = decode(s.cfg.Fingerprint, b[:n], int64(len(b))); err != nil {
		return h, err
	}
	switch {
	case n != len(b):
		return h, errors.New("it is cut short")
	case h.key != key:
		return h, errors.New("it is another piece's")
	case crc32.Checksum(b[h.length():], castagnoli) != h.sum:
		return h, fmt.Errorf("its checksum is wrong")
	}
	return h, nil
}

// Flush has everything in host memory written until then, the most valuable first.
// It does not wait.
func (s *Store) Flush(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush = until
	s.changed.Broadcast()
}

// AwaitRoom waits during a flush until size bytes can be kept without losing what
// has no file yet, and tells whether they can.
func (s *Store) AwaitRoom(size int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.host+rounded(size) > s.cfg.Host {
		written := int64(0)
		for _, p := range s.all {
			if p.data != nil && p.file > 0 && p.pins == 0 {
				written += p.bytes
			}
		}
		switch {
		case written >= 2*rounded(size): // the piece before must stay
			return true
		case s.ended == nil || s.idle || s.closing || !s.flush.After(time.Now()):
			return false
		}
		s.changed.Wait()
	}
	return true
}

// Close waits for a flush that was begun and frees the memory. The store must not
// be used afterwards.
func (s *Store) Close() {
	s.mu.Lock()
	s.closing = true
	s.changed.Broadcast()
	s.mu.Unlock()
	if s.ended != nil {
		<-s.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		s.dropData(p)
	}
	for _, b := range s.spare {
		s.free(b)
	}
	s.all, s.spare, s.roots = nil, nil, map[Key]*piece{}
	if s.lock != nil {
		_ = s.lock.Close() // ends with the process at the latest
	}
}
