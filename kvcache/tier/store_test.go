package tier

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"repartee/kvcache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fatal interface {
	Helper()
	Fatalf(string, ...any)
}

// body is what a piece's bytes are in these tests: all that it depends on.
func body(space string, path []kvcache.Token, start int) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %v from %d", space, path, start))
	return sum[:]
}

// keep puts a whole path, as a scheduler does, and returns how much is held.
func keep(t fatal, s *Store, space string, path []kvcache.Token) int {
	t.Helper()
	for {
		n := s.Match(space, path, 0).Tokens
		if n == len(path) {
			return n
		}
		start := n / Block * Block
		end := min(start+Block, len(path))
		data := body(space, path[:end], start)
		ok, err := s.Put(space, path[:end], start, len(data)+9, func(b []byte) (int, error) { return copy(b, data), nil })
		if err != nil {
			t.Fatalf("Put(%d … %d) = %v", start, end, err)
		}
		if !ok {
			return n
		}
	}
}

// restore reads a path back and returns how much of it there was. Every byte handed
// out must belong to it.
func restore(t fatal, s *Store, space string, path []kvcache.Token) int {
	t.Helper()
	if ticket := s.Fetch(space, path, 0); true {
		for wait := time.Now(); !ticket.Done(); time.Sleep(50 * time.Microsecond) {
			if time.Since(wait) > 20*time.Second {
				t.Fatalf("Fetch of %d tokens does not end", len(path))
			}
		}
	}
	for pos := 0; ; pos += Block {
		n, err := s.Use(space, path, pos, func(data []byte, run []kvcache.Token) error {
			whole := append(slices.Clone(path[:pos]), run...)
			if want := body(space, whole, pos); !bytes.Equal(data, want) {
				t.Fatalf("the piece at %d of %v is %q, want %q", pos, path, data, want)
			}
			return nil
		})
		if errors.Is(err, ErrGone) {
			return pos
		}
		if n < Block {
			return pos + n
		}
	}
}

func run(seed, n int) []kvcache.Token {
	out := make([]kvcache.Token, n)
	for i := range out {
		out[i] = kvcache.Token(seed*1000 + i)
	}
	return out
}

func open(t fatal, cfg Config) *Store {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	if cfg.Disk > 0 && cfg.Dir == "" {
		cfg.Dir = "kv"
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	return s
}

// flush writes everything and closes.
func flush(s *Store) {
	s.Flush(time.Now().Add(20 * time.Second))
	s.Close()
}

func TestAPathComesBackAsFarAsItIsTheSame(t *testing.T) {
	s := open(t, Config{Host: 1 << 20})
	defer s.Close()
	long := run(1, 150)
	if got := keep(t, s, "", long); got != 150 {
		t.Fatalf("kept %d of 150 tokens", got)
	}
	f := func(name, space string, path []kvcache.Token, want int) {
		t.Helper()
		if got := s.Match(space, path, 0).Tokens; got != want {
			t.Errorf("%s: Match = %d, want %d", name, got, want)
		}
		if got := restore(t, s, space, path); got != want {
			t.Errorf("%s: restored %d, want %d", name, got, want)
		}
	}
	f("the same", "", long, 150)
	f("longer", "", run(1, 300), 150)
	f("a beginning", "", long[:70], 70)
	f("another end", "", append(run(1, 100), run(2, 60)...), 100)
	f("another namespace", "b", long, 0)
	f("nothing in common", "", run(3, 80), 0)
	if got := keep(t, s, "", run(1, 400)); got != 400 { // the short last piece gives way
		t.Fatalf("kept %d of 400 tokens", got)
	}
	f("grown", "", run(1, 400), 400)
	if st := s.Stats(); st.Pieces != 7 || st.HostTokens != 400 {
		t.Errorf("%d pieces with %d tokens, want 7 with 400", st.Pieces, st.HostTokens)
	}
	if ok, err := s.Put("", run(9, 180), 128, 10, nil); ok || err != nil {
		t.Errorf("Put behind a missing piece = %v, %v; want false", ok, err)
	}
	if _, err := s.Put("", run(9, 200), 100, 10, nil); err == nil {
		t.Error("Put at position 100 = nil, want an error")
	}
}

// TestStoreAgainstNaiveModel does random things to both tiers and a map of all that
// was ever put: the store may forget, but never hold what was not put, exceed its
// sizes, or hand out other bytes, also after a restart.
func TestStoreAgainstNaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := newDisk()
		cfg := Config{Host: rapid.Int64Range(1, 12).Draw(t, "host pages") * 4096, FS: d}
		if rapid.Bool().Draw(t, "files") {
			cfg.Disk = rapid.Int64Range(2, 40).Draw(t, "disk KB") * 1000
		}
		s := open(t, cfg)
		defer func() { s.Close() }()
		put := map[string]bool{} // namespace and path
		path := rapid.Custom(func(t *rapid.T) []kvcache.Token {
			var p []kvcache.Token
			for range rapid.IntRange(1, 5).Draw(t, "parts") {
				p = append(p, run(rapid.IntRange(0, 2).Draw(t, "seed"), rapid.SampledFrom([]int{1, 20, 64, 70}).Draw(t, "length"))...)
			}
			return p
		})
		space := rapid.SampledFrom([]string{"", "b"})
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				s.mu.Lock()
				err := s.check()
				s.mu.Unlock()
				if err != nil {
					t.Fatalf("check() = %v", err)
				}
			},
			"keep": func(t *rapid.T) {
				ns, p := space.Draw(t, "space"), path.Draw(t, "path")
				n := keep(t, s, ns, p)
				for i := range n {
					put[fmt.Sprint(ns, p[:i+1])] = true
				}
			},
			"restore": func(t *rapid.T) {
				ns, p := space.Draw(t, "space"), path.Draw(t, "path")
				if n := restore(t, s, ns, p); n > 0 && !put[fmt.Sprint(ns, p[:n])] {
					t.Fatalf("restored %d tokens of %v, which were never put", n, p)
				}
			},
			"forget": func(t *rapid.T) {
				ns, p := space.Draw(t, "space"), path.Draw(t, "path")
				s.Forget(ns, p, 0)
				if n := s.Match(ns, p, 0).Tokens; n == len(p) && len(p) <= Block && len(s.roots[s.rootKey(ns)].children) == 0 {
					t.Fatalf("Match after Forget = %d", n)
				}
			},
			"restart": func(t *rapid.T) {
				flush(s)
				s = open(t, cfg)
				if got := int64(d.size()); got > cfg.Disk {
					t.Fatalf("%d bytes in files, the cap is %d", got, cfg.Disk)
				}
			},
		})
	})
}

func TestHostEvictionKeepsWhatIsUsed(t *testing.T) {
	s := open(t, Config{Host: 8 * 4096})
	defer s.Close()
	keep(t, s, "", run(1, 128))
	for range 4 {
		restore(t, s, "", run(1, 128))
	}
	for i := range 12 {
		keep(t, s, "", run(10+i, 64))
	}
	if got := s.Match("", run(1, 128), 0).Tokens; got != 128 {
		t.Errorf("what was used four times holds %d of 128 tokens after others were kept once", got)
	}
	if st := s.Stats(); st.HostEvicted != 6 || st.HostBytes > st.HostCap {
		t.Errorf("%d pieces evicted, %d of %d bytes; want 6 pieces and the cap kept", st.HostEvicted, st.HostBytes, st.HostCap)
	}
}

func TestRestartFindsEverything(t *testing.T) {
	cfg := Config{Host: 1 << 20, Disk: 1 << 20, Dir: t.TempDir() + "/a/b"}
	s := open(t, cfg)
	paths := [][]kvcache.Token{run(1, 200), append(run(1, 130), run(2, 300)...), run(3, 10)}
	for _, p := range paths {
		keep(t, s, "key", p)
	}
	if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second Open of the directory = %v, want that another process uses it", err)
	}
	flush(s)
	s = open(t, cfg)
	for _, p := range paths {
		if got := restore(t, s, "key", p); got != len(p) {
			t.Errorf("after a restart %d of %d tokens", got, len(p))
		}
	}
	s.Close()
	other := cfg
	other.Fingerprint[5] = 1
	s = open(t, other)
	if got := s.Match("key", paths[0], 0).Tokens; got != 0 {
		t.Errorf("with another fingerprint Match = %d, want 0", got)
	}
	s.Close()
}

// TestKilledAtEveryByte cuts the writing of two conversations after every single
// byte and call: the next start has whole pieces, all of them right, and no litter.
func TestKilledAtEveryByte(t *testing.T) {
	a, b := run(1, 100), append(run(1, 64), run(2, 20)...)
	write := func(d *disk) {
		s := open(t, Config{Host: 1 << 20, Disk: 1 << 20, FS: d})
		keep(t, s, "", a)
		keep(t, s, "", b)
		flush(s)
	}
	whole := newDisk()
	write(whole)
	total, reached := whole.size()+20, map[int]bool{}
	for cut := range total {
		d := newDisk()
		d.left = cut
		write(d)
		d.left, d.locked = -1, false
		s := open(t, Config{Host: 1 << 20, Disk: 1 << 20, FS: d})
		reached[restore(t, s, "", a)] = true
		restore(t, s, "", b)
		flush(s)
		for name := range d.files {
			if strings.HasSuffix(name, unfinished) {
				t.Fatalf("cut after %d: %s is left", cut, name)
			}
		}
	}
	if got := slices.Sorted(maps.Keys(reached)); !slices.Equal(got, []int{0, 64, 100}) {
		t.Errorf("cuts left %v tokens of the first path, want 0, 64 and 100", got)
	}
}

// TestChangedBytesAreRefused flips every byte of a file.
func TestChangedBytesAreRefused(t *testing.T) {
	d := newDisk()
	path := run(1, 40)
	s := open(t, Config{Host: 1 << 20, Disk: 1 << 20, FS: d})
	keep(t, s, "", path)
	flush(s)
	for name, good := range maps.Clone(d.files) {
		for i := range len(good) + 1 {
			bad := append(slices.Clone(good), 'x') // the last round: a byte too many
			if i < len(good) {
				bad = bad[:len(good)]
				bad[i] ^= 0x20
			}
			d.files[name] = bad
			s := open(t, Config{Host: 1 << 20, Disk: 1 << 20, FS: d})
			if got := restore(t, s, "", path); got != 0 {
				t.Fatalf("with byte %d changed %d tokens came back", i, got)
			}
			if got := s.Stats().Refused; got != 1 {
				t.Fatalf("with byte %d changed %d files were refused, want 1", i, got)
			}
			s.Close()
			if len(d.files) != 0 {
				t.Fatalf("with byte %d changed the file is still there", i)
			}
		}
	}
}

func TestAFullDiskCostsNothingButEntries(t *testing.T) {
	for room := 0; room < 5000; room += 250 {
		d := newDisk()
		d.room = room
		s := open(t, Config{Host: 1 << 20, Disk: 1 << 20, FS: d})
		for i := range 5 {
			keep(t, s, "", run(i, 128))
		}
		s.Flush(time.Now().Add(20 * time.Second))
		for i := range 5 {
			if got := restore(t, s, "", run(i, 128)); got != 128 {
				t.Fatalf("room %d: path %d holds %d of 128 tokens", room, i, got)
			}
		}
		flush(s)
		s = open(t, Config{Host: 1 << 20, Disk: 1 << 20, FS: d})
		for i := range 5 {
			restore(t, s, "", run(i, 128))
		}
		flush(s)
		if d.size() > room {
			t.Fatalf("room %d: %d bytes", room, d.size())
		}
	}
}

// TestSmallMemoryBeforeAFlush keeps more than fits while files are written.
func TestSmallMemoryBeforeAFlush(t *testing.T) {
	d := newDisk()
	s := open(t, Config{Host: 4 * 4096, Disk: 1 << 20, FS: d})
	s.Flush(time.Now().Add(20 * time.Second))
	path := run(1, 64*20)
	for end := Block; end <= len(path); end += Block {
		data := body("", path[:end], end-Block)
		if !s.AwaitRoom(int64(len(data))) {
			t.Fatalf("AwaitRoom at %d = false", end)
		}
		if ok, err := s.Put("", path[:end], end-Block, len(data), func(b []byte) (int, error) { return copy(b, data), nil }); !ok || err != nil {
			t.Fatalf("Put at %d = %v, %v", end, ok, err)
		}
	}
	s.Close()
	s = open(t, Config{Host: 1 << 20, Disk: 1 << 20, FS: d})
	defer s.Close()
	if got := restore(t, s, "", path); got != len(path) {
		t.Errorf("after the restart %d of %d tokens", got, len(path))
	}
}

func FuzzDecode(f *testing.F) {
	p := &piece{parent: &piece{key: Key{1}}, tokens: run(1, 3)}
	p.key = pieceKey(p.parent.key, p.tokens)
	good := append(encode([32]byte{7}, p, []byte("body")), "body"...)
	f.Add(good)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decode([32]byte{7}, b, int64(len(b)))
		if err == nil && (len(h.tokens) == 0 || h.length()+int(h.bytes) != len(b)) {
			t.Fatalf("decode = %+v of %d bytes", h, len(b))
		}
	})
}
