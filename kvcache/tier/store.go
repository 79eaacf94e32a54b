package tier

import (
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"repartee/internal/invariants"
	"repartee/kvcache"
)

// Block is the most tokens of a piece, and every piece begins at a multiple of it:
// saving or restoring one takes about a millisecond for models of some billions of
// parameters, short enough to be done between two steps.
const Block = 64

// Key names a piece by everything it depends on: fingerprint, namespace and all
// tokens up to its end.
type Key [sha256.Size]byte

// Config is the size of a store.
type Config struct {
	Host int64  // bytes kept in memory
	Disk int64  // bytes kept in files; 0 = none
	Dir  string // of the files, made when missing; of one fingerprint alone
	// Fingerprint stands for all that a saved piece must fit to.
	Fingerprint [32]byte
	// Cost tells what computing one token at a depth costs, in any unit; nil = 1 +
	// depth/2000, the shape measured on CPUs.
	Cost func(depth int) float64
	FS   FS // nil = the operating system's
	// Memory is where host memory comes from; nil, or what it does not give, = pages
	// of the operating system.
	Memory Memory
	Log    *slog.Logger // nil = slog.Default()
}

// Memory hands out host memory of a kind, for instance pinned for a GPU. Take
// returns exactly n bytes or nil; Give takes them back. Both are called from any
// goroutine, one at a time.
type Memory interface {
	Take(n int) []byte
	Give([]byte)
}

// Store is the two tiers below the KV cells.
type Store struct {
	cfg Config

	mu      sync.Mutex
	changed *sync.Cond // something to do for the worker, or done by it
	roots   map[Key]*piece
	all     []*piece
	clock   float64
	host    int64 // bytes
	disk    int64
	diskCap int64
	spare   [][]byte       // buffers to use again
	taken   map[*byte]bool // buffers of cfg.Memory
	tickets []*Ticket
	garbage []string // files to remove
	wake    func()   // called behind every fetch
	failing int      // writes that failed in a row
	flush   time.Time
	closing bool
	idle    bool          // the worker waits
	ended   chan struct{} // nil = no worker
	lock    interface{ Close() error }
	stats   Stats
}

// piece is one run of at most Block tokens; a root has none.
type piece struct {
	parent   *piece
	children []*piece
	key      Key
	tokens   []kvcache.Token
	start    int
	data     []byte // nil = not in host memory
	buffer   []byte // that data lies in
	bytes    int64  // of data
	file     int64  // bytes of its file, 0 = none
	pins     int    // users of data just now
	gone     bool   // out of the tree: data goes when nobody uses it
	failed   bool   // could not be written
	index    int    // in Store.all
	hits     int
	clock    float64
}

func (p *piece) end() int { return p.start + len(p.tokens) }

// Stats counts what a store holds and did.
type Stats struct {
	HostBytes, HostCap, DiskBytes, DiskCap int64
	PinnedBytes                            int64 // of Config.Memory, spare buffers included
	HostTokens, DiskTokens                 int64
	Pieces                                 int
	HostEvicted, DiskEvicted               int64 // pieces
	Written, Read, Refused                 int64 // files; refused ones failed a check
	WriteErrors                            int64
	WriteTime, ReadTime                    time.Duration
	ReadBytes                              int64
}

// Open makes a store and reads the index of its directory. Files that are no
// complete pieces with this fingerprint are removed.
func Open(cfg Config) (*Store, error) {
	if cfg.Cost == nil {
		cfg.Cost = func(depth int) float64 { return 1 + float64(depth)/2000 }
	}
	if cfg.FS == nil {
		cfg.FS = osFS{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Store{cfg: cfg, roots: map[Key]*piece{}, taken: map[*byte]bool{}, diskCap: cfg.Disk, wake: func() {}}
	s.changed = sync.NewCond(&s.mu)
	if cfg.Dir == "" || cfg.Disk <= 0 {
		s.cfg.Dir = ""
		return s, nil
	}
	if err := s.openDir(); err != nil {
		return nil, fmt.Errorf("tier: opening %q: %w", cfg.Dir, err)
	}
	s.ended = make(chan struct{})
	go s.work()
	return s, nil
}

// SetWake has f called, on the store's goroutine, behind every fetch that ended.
func (s *Store) SetWake(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake = f
}

// HasFiles tells whether there is a tier of files.
func (s *Store) HasFiles() bool { return s.ended != nil }

// Put keeps the piece of a path that begins at position start and ends with the
// path's last token. fill writes its bytes, at most size, and returns how many. It
// is false, and fill may not have been called, when the piece is held already, when
// a piece before it is missing, or when there is no room.
func (s *Store) Put(space string, tokens []kvcache.Token, start, size int, fill func([]byte) (int, error)) (bool, error) {
	run := tokens[start:]
	if start%Block != 0 || len(run) == 0 || len(run) > Block {
		return false, fmt.Errorf("tier: positions %d … %d are no piece", start, len(tokens))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	parent := s.parent(space, tokens, start)
	if parent == nil || parent.holds(run) {
		return false, nil
	}
	parent.pins++ // fill may take a while
	defer func() { s.unpin(parent) }()
	if !s.makeRoom(int64(size)) {
		return false, nil
	}
	buffer := s.allocate(size)
	s.host += int64(len(buffer))
	s.mu.Unlock()
	n, err := fill(buffer[:size])
	s.mu.Lock()
	if err != nil || parent.gone || parent.holds(run) {
		s.host -= int64(len(buffer))
		s.release(buffer)
		return false, err
	}
	p := &piece{parent: parent, key: pieceKey(parent.key, run), tokens: append([]kvcache.Token(nil), run...), start: start, buffer: buffer, data: buffer[:n], bytes: int64(len(buffer)), clock: s.clock}
	for i := len(parent.children) - 1; i >= 0; i-- { // shorter forms of the same run
		if c := parent.children[i]; len(c.tokens) < len(run) && common(c.tokens, run) == len(c.tokens) {
			p.hits = max(p.hits, c.hits)
			s.remove(c)
		}
	}
	s.attach(p)
	s.stats.HostTokens += int64(len(p.tokens))
	s.idle = false
	s.changed.Broadcast()
	s.verify()
	return true, nil
}

// parent returns the piece, or root, that one at position start hangs below.
func (s *Store) parent(space string, tokens []kvcache.Token, start int) *piece {
	if start == 0 {
		key := s.rootKey(space)
		p := s.roots[key]
		if p == nil {
			p = &piece{key: key}
			s.roots[key] = p
		}
		return p
	}
	p, n := s.at(space, tokens, start-Block)
	if n < Block {
		return nil
	}
	return p
}

// holds tells whether a child serves the whole run.
func (p *piece) holds(run []kvcache.Token) bool {
	_, n := p.step(run)
	return n == len(run)
}

// attach puts a new piece below its parent.
func (s *Store) attach(p *piece) {
	p.parent.children = append(p.parent.children, p)
	p.index = len(s.all)
	s.all = append(s.all, p)
}

// unpin ends a use.
func (s *Store) unpin(p *piece) {
	p.pins--
	if p.gone && p.pins == 0 {
		s.dropData(p)
	}
	s.sweepRoot(p)
}

// sweepRoot forgets an empty namespace.
func (s *Store) sweepRoot(p *piece) {
	if p.parent == nil && !p.gone && len(p.children) == 0 && p.pins == 0 {
		p.gone = true
		delete(s.roots, p.key)
	}
}

// remove takes a piece and all behind it out of the tree; their files are removed
// by the worker.
func (s *Store) remove(p *piece) {
	for len(p.children) > 0 {
		s.remove(p.children[len(p.children)-1])
	}
	up := p.parent
	for i, c := range up.children {
		if c == p {
			last := len(up.children) - 1
			up.children[i] = up.children[last]
			up.children[last] = nil
			up.children = up.children[:last]
			break
		}
	}
	last := len(s.all) - 1
	s.all[last].index = p.index
	s.all[p.index] = s.all[last]
	s.all[last] = nil
	s.all = s.all[:last]
	p.gone = true
	s.dropFile(p)
	if p.pins == 0 {
		s.dropData(p)
	}
	s.sweepRoot(up)
}

// dropData gives a piece's memory back.
func (s *Store) dropData(p *piece) {
	if p.buffer == nil {
		return
	}
	s.host -= p.bytes
	s.stats.HostTokens -= int64(len(p.tokens))
	s.release(p.buffer)
	p.buffer, p.data, p.bytes = nil, nil, 0
}

// dropFile has the worker remove a piece's file.
func (s *Store) dropFile(p *piece) {
	if p.file == 0 {
		return
	}
	s.disk -= p.file
	s.stats.DiskTokens -= int64(len(p.tokens))
	p.file = 0
	s.garbage = append(s.garbage, fileName(p.key))
	s.changed.Broadcast()
}

// Stats returns the store's counters.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.HostBytes, st.HostCap, st.DiskBytes, st.DiskCap = s.host, s.cfg.Host, s.disk, s.diskCap
	st.Pieces = len(s.all)
	return st
}

func (s *Store) verify() {
	if invariants.Enabled {
		if err := s.check(); err != nil {
			panic(err)
		}
	}
}
