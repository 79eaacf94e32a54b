package inference

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"repartee/inference/llama"
	"repartee/kvcache/tier"
)

// What the fake keeps of a token: itself and its position.
const fakeSaved = 8

func (c *fakeContext) SeqSaveSize(_ llama.SeqID, p0, p1 llama.Pos) (int, error) {
	return int(p1-p0) * fakeSaved, nil
}

func (c *fakeContext) SeqSaveTo(dst []byte, seq llama.SeqID, p0, p1 llama.Pos) (int, error) {
	tokens, n := c.read(seq), 0
	if int(p1) > len(tokens) {
		return 0, fmt.Errorf("saving %d … %d of %d tokens", p0, p1, len(tokens))
	}
	for p := p0; p < p1; p++ {
		binary.LittleEndian.PutUint32(dst[n:], uint32(tokens[p]))
		binary.LittleEndian.PutUint32(dst[n+4:], uint32(p))
		n += fakeSaved
	}
	return n, nil
}

func (c *fakeContext) SeqLoadAt(seq llama.SeqID, data []byte, cells []int32) error {
	if len(data) != len(cells)*fakeSaved {
		return fmt.Errorf("%d bytes for %d cells", len(data), len(cells))
	}
	next := llama.Pos(len(c.read(seq)))
	for i, at := range cells {
		if len(c.cells[at].seqs) > 0 {
			return fmt.Errorf("cell %d is in use", at)
		}
		tok, pos := Token(binary.LittleEndian.Uint32(data[i*fakeSaved:])), llama.Pos(binary.LittleEndian.Uint32(data[i*fakeSaved+4:]))
		if pos != next+llama.Pos(i) {
			return fmt.Errorf("position %d where %d was to follow", pos, next+llama.Pos(i))
		}
		c.cells[at] = fakeCell{tok, pos, map[llama.SeqID]bool{seq: true}}
	}
	return nil
}

func newTiers(tb testing.TB, cfg tier.Config) *tier.Store {
	tb.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	s, err := tier.Open(cfg)
	if err != nil {
		tb.Fatalf("tier.Open = %v", err)
	}
	return s
}

// TestEvictedConversationsComeBack has ten conversations in turn over cells for
// three: the later turns take everything over, all but little of it from host
// memory, and answers are what they must be.
func TestEvictedConversationsComeBack(t *testing.T) {
	f := func(name string, deterministic bool, host int64, atLeast float64) {
		t.Helper()
		cfg := Config{Deterministic: deterministic, Sequences: 40, fixed: true} // the fake computes quicker than it restores
		if host > 0 {
			cfg.Tiers = newTiers(t, tier.Config{Host: host})
		}
		b := newBench(1200, cfg)
		defer b.Close()
		talks := make([]string, 10)
		for i := range talks {
			talks[i] = fmt.Sprintf("%d: ", i) + strings.Repeat(fmt.Sprintf("conversation %d goes on. ", i), 12)
		}
		prompt, cached := 0, 0
		for turn := range 3 {
			for i := range talks {
				got, res, err := b.ask(context.Background(), &Request{Prompt: tokens(talks[i]), MaxTokens: 10})
				if want := b.model.generate(tokens(talks[i]), 10); got != want || err != nil {
					t.Fatalf("%s: turn %d of %d = %q (%v), want %q", name, turn, i, got, err, want)
				}
				if turn > 0 {
					prompt, cached = prompt+res.PromptTokens, cached+res.CachedTokens
				}
				talks[i] += got + " and?"
			}
		}
		share := float64(cached) / float64(prompt)
		if share < atLeast || host == 0 && share > 0.5 {
			t.Errorf("%s: %.2f of later prompts were cached, want at least %.2f and without tiers at most half", name, share, atLeast)
		}
		if st := b.Stats().Tiers; (st.HostHits > 0) != (host > 0) || host > 0 && (st.RestoredTokens == 0 || st.SavedTokens == 0) {
			t.Errorf("%s: %+v", name, st)
		}
	}
	f("no tiers", true, 0, 0)
	f("ordered", true, 1<<20, 0.9)
	f("unordered", false, 1<<20, 0.9)
}

// TestRestartedEngineReadsOnlyWhatIsNew closes an engine and goes on with another
// one over the same files.
func TestRestartedEngineReadsOnlyWhatIsNew(t *testing.T) {
	dir := t.TempDir()
	start := func(print byte) *bench {
		return newBench(2000, Config{fixed: true, Tiers: newTiers(t, tier.Config{Host: 1 << 20, Disk: 1 << 20, Dir: dir, Fingerprint: [32]byte{print}})})
	}
	b := start(1)
	talk := strings.Repeat("a conversation that outlives its process. ", 20)
	answer, _, err := b.ask(context.Background(), &Request{Prompt: tokens(talk), MaxTokens: 20, Namespace: "key"})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	talk += answer + " Another turn."
	f := func(print byte, space string, want int) {
		t.Helper()
		b := start(print)
		defer b.Close()
		got, res, err := b.ask(context.Background(), &Request{Prompt: tokens(talk), MaxTokens: 20, Namespace: space})
		if want := b.model.generate(tokens(talk), 20); got != want || err != nil {
			t.Fatalf("answer after the restart = %q (%v), want %q", got, err, want)
		}
		if res.CachedTokens != want {
			t.Errorf("fingerprint %d, namespace %q: %d of %d tokens cached, want %d", print, space, res.CachedTokens, res.PromptTokens, want)
		}
		if st := b.Stats().Tiers; (st.DiskHits == 1) != (want > 0) {
			t.Errorf("%d hits in files", st.DiskHits)
		}
	}
	f(1, "other key", 0)
	f(1, "key", len(talk)-len(" Another turn.")-1) // the answer's last token was never computed
	f(2, "key", 0)
}

// TestDamagedPieceIsComputedAgain has the context refuse what it is given.
func TestDamagedPieceIsComputedAgain(t *testing.T) {
	store := newTiers(t, tier.Config{Host: 1 << 20})
	prompt := tokens(strings.Repeat("what was saved is broken. ", 10))
	for start := 0; start < len(prompt); start += tier.Block {
		end := min(start+tier.Block, len(prompt))
		if ok, err := store.Put("", prompt[:end], start, 99, func(b []byte) (int, error) { return copy(b, "broken"), nil }); !ok || err != nil {
			t.Fatalf("Put = %v, %v", ok, err)
		}
	}
	var log bytes.Buffer
	b := newBench(1000, Config{fixed: true, Deterministic: true, Tiers: store, Log: slog.New(slog.NewTextHandler(&log, nil))})
	got, res, err := b.ask(context.Background(), &Request{Prompt: prompt, MaxTokens: 9})
	if want := b.model.generate(prompt, 9); got != want || err != nil || res.CachedTokens != 0 {
		t.Fatalf("answer = %q with %d cached (%v), want %q with none", got, res.CachedTokens, err, want)
	}
	if n := b.Stats().Tiers.Refused; n != 1 {
		t.Errorf("%d pieces were refused, want one, and the rest gone with it", n)
	}
	var out bytes.Buffer
	if err := b.DebugKV(&out); err != nil || !strings.Contains(out.String(), "what was sav") || !strings.Contains(out.String(), "0 from host memory") {
		t.Errorf("DebugKV = %v: %s", err, out.String())
	}
	b.Close()
	if !strings.Contains(log.String(), "restoring a prefix") {
		t.Errorf("log = %q, want a warning", log.String())
	}
	if err := b.DebugKV(&out); err == nil {
		t.Error("DebugKV after Close = nil, want ErrClosed")
	}
}

// TestTenThousandShortRequests come from 24 clients with random prefixes, keys,
// priorities and cancels, over both tiers: every answer is right, and nothing of
// them is left.
func TestTenThousandShortRequests(t *testing.T) {
	total, clients := 10000, 24
	if testing.Short() {
		total = 1000
	}
	before := runtime.NumGoroutine()
	b := newBench(1500, Config{fixed: true,
		Parallel: 6, MaxQueue: 64, BatchRows: 64, Sequences: 20, Deterministic: true, StepBudget: 5 * time.Millisecond,
		Tiers: newTiers(t, tier.Config{Host: 20 * 4096, Disk: 60000, Dir: t.TempDir()}),
	})
	seed := uint64(time.Now().UnixNano())
	var all sync.WaitGroup
	for client := range clients {
		rng := rand.New(rand.NewPCG(seed, uint64(client)))
		all.Go(func() {
			for i := range total / clients {
				prompt := strings.Repeat("prefix ", rng.IntN(3)*12) + strings.Repeat(string(rune('a'+rng.IntN(4))), rng.IntN(60)) + fmt.Sprint(rng.IntN(50))
				n := 1 + rng.IntN(8)
				r := &Request{Prompt: tokens(prompt), MaxTokens: n, Priority: Priority(rng.IntN(2)), Namespace: []string{"", "b"}[rng.IntN(2)]}
				ctx, cancel := context.WithCancel(context.Background())
				left := rng.IntN(6) == 0
				if left {
					go func() { runtime.Gosched(); cancel() }()
				}
				got, res, err := b.ask(ctx, r)
				cancel()
				want := b.model.generate(tokens(prompt), n)
				if err != nil || got != want && (!left || !strings.HasPrefix(want, got)) {
					t.Errorf("seed %d: client %d request %d: %q = %q (%v, %+v), want %q", seed, client, i, prompt, got, err, res, want)
					return
				}
			}
		})
	}
	all.Wait()
	var err error
	if e := b.errand(func() {
		err = b.sched.tree.Check()
		if live := b.sched.tree.LiveCells(); live != 0 || len(b.sched.active) != 0 {
			t.Errorf("%d cells and %d requests are still held", live, len(b.sched.active))
		}
	}); e != nil || err != nil {
		t.Errorf("Check = %v, %v", e, err)
	}
	st := b.Stats()
	if st.Running != 0 || st.Waiting != 0 || st.Tiers.HostBytes > st.Tiers.HostCap || st.Tiers.DiskBytes > st.Tiers.DiskCap || st.Cache.DisorderedSeqs > 0 {
		t.Errorf("at the end %+v", st)
	}
	if st.Tiers.HostHits == 0 || st.Cache.EvictedTokens == 0 || st.Tiers.HostEvicted == 0 {
		t.Errorf("tiers were not used: %+v, %d tokens evicted", st.Tiers, st.Cache.EvictedTokens)
	}
	b.Close()
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond) // those of cancelled contexts end by themselves
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
