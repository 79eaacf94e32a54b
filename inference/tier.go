package inference

import (
	"errors"
	"time"

	"repartee/inference/llama"
	"repartee/kvcache"
	"repartee/kvcache/tier"
)

// Saver is a Context whose sequences can be saved and loaded in pieces.
// *llama.Context is one.
type Saver interface {
	SeqSaveSize(seq llama.SeqID, p0, p1 llama.Pos) (int, error)
	SeqSaveTo(dst []byte, seq llama.SeqID, p0, p1 llama.Pos) (int, error)
	SeqLoadAt(seq llama.SeqID, data []byte, cells []int32) error
}

// TierStats counts what requests took over, from where, and what that cost.
type TierStats struct {
	tier.Stats
	// Hits are requests that took tokens over: from cells, host memory, files.
	PrimaryHits, HostHits, DiskHits int64
	RestoredTokens, SavedTokens     int64
	RestoreTime, SaveTime           time.Duration
}

// tiers is the scheduler's way to the tiers below the cells; nil store = none.
type tiers struct {
	store *tier.Store
	saver Saver
	rate  float64 // bytes a second into cells, learned
	path  []Token // scratch
	stats TierStats
}

// initTiers looks whether there are tiers and sequences that can be saved.
func (s *scheduler) initTiers() {
	saver, ok := s.e.ctx.(Saver)
	if s.e.cfg.Tiers == nil || !ok {
		return
	}
	s.tiers = tiers{store: s.e.cfg.Tiers, saver: saver, rate: 1 << 30}
	s.tiers.store.SetWake(s.e.wake)
}

// What a file gives at first, and the fewest tokens that are worth a restoration.
const (
	fileRate   = 200 << 20
	minRestore = 16
)

// pays tells whether restoring what was found behind held tokens takes less time
// than computing it, as far as steps have shown.
func (s *scheduler) pays(f tier.Found, held int) bool {
	gain := f.Tokens - held
	if gain < minRestore {
		return false
	}
	took := float64(f.Host)/s.tiers.rate + float64(f.Disk)*(1/s.tiers.rate+1/s.fileRate())
	return took < s.cost.predict(stepLoad{}.with(gain, held)).Seconds()
}

// fileRate is how many bytes a second files have given.
func (s *scheduler) fileRate() float64 {
	st := s.tiers.store.Stats()
	if st.Read < 4 {
		return fileRate
	}
	return float64(st.ReadBytes) / max(st.ReadTime.Seconds(), 1e-6)
}

// fetching tells whether t should wait for files that hold its beginning, which it
// asks for once.
func (s *scheduler) fetching(t *task) bool {
	if s.tiers.store == nil {
		return false
	}
	if !t.asked {
		t.asked = true
		tokens := t.tokens[:len(t.tokens)-1]
		held := s.tree.Match(t.space, t.tokens)
		if f := s.tiers.store.Match(t.space, tokens, held); f.DiskPieces > 0 && s.pays(f, held) {
			t.ticket = s.tiers.store.Fetch(t.space, append([]Token(nil), tokens...), held)
			t.fromDisk = true
		}
	}
	return t.ticket != nil && !t.ticket.Done()
}

// beginRestore decides, for a task that has just got its sequence, how far to
// restore it.
func (s *scheduler) beginRestore(t *task, first bool) {
	t.restoreTo, t.asked, t.ticket, t.restoreFirst = 0, false, nil, first
	held := t.filled
	if first && held > 0 {
		s.tiers.stats.PrimaryHits++
	}
	if s.tiers.store == nil {
		return
	}
	f := s.tiers.store.Match(t.space, t.tokens[:len(t.tokens)-1], held)
	if f.DiskPieces > 0 || !s.pays(f, held) { // what is still in files was not worth fetching, or went again
		return
	}
	// A piece can only be loaded where it begins; what lies before is held.
	start := held / tier.Block * tier.Block
	if err := s.tree.Truncate(t.seq, start); err != nil {
		s.e.cfg.Log.Error("beginning to restore", "engine", s.e.cfg.Name, "error", err)
		return
	}
	t.filled, t.restoreTo, t.restoreFrom = start, f.Tokens, held
}

// restored notes the end of a task's restoration.
func (s *scheduler) restored(t *task) {
	s.tree.Saved(t.seq, t.filled)
	if !t.restoreFirst {
		return
	}
	t.cached = min(t.filled, len(t.req.Prompt))
	switch {
	case t.filled <= t.restoreFrom:
	case t.fromDisk:
		s.tiers.stats.DiskHits++
	default:
		s.tiers.stats.HostHits++
	}
}

// restore loads pieces of tasks that wait for them, for a quarter of the step
// budget while others stream.
func (s *scheduler) restore() {
	if s.tiers.store == nil {
		return
	}
	budget, began := 4*s.e.cfg.StepBudget, time.Now()
	for _, a := range s.active {
		if a.decoding() && !a.restoring() {
			budget = s.e.cfg.StepBudget / 4
		}
	}
	for _, t := range s.active {
		for t.restoring() {
			if time.Since(began) > budget {
				return
			}
			if !s.restorePiece(t) {
				t.restoreTo = 0
			}
			if !t.restoring() {
				s.restored(t)
			}
		}
	}
}

// restorePiece loads the next piece of a task into cells; false when it must be
// computed from here on.
func (s *scheduler) restorePiece(t *task) bool {
	began, start, size := time.Now(), t.filled, 0
	path, space := t.tokens[:t.restoreTo], t.space
	var run []Token
	n, err := s.tiers.store.Use(space, path, start, func(data []byte, tokens []Token) error {
		run, size = append(s.tiers.path[:0], tokens...), len(data)
		s.tiers.path = run
		cells, err := s.tree.Extend(t.seq, run, s.cells[:0])
		s.cells = cells[:0]
		if err != nil {
			return err
		}
		return s.tiers.saver.SeqLoadAt(t.seq, data, cells)
	})
	keep := start + n
	if err != nil {
		keep = min(start, s.tree.Len(t.seq))
		if !errors.Is(err, kvcache.ErrFull) && !errors.Is(err, tier.ErrGone) {
			s.e.cfg.Log.Warn("restoring a prefix", "engine", s.e.cfg.Name, "error", err)
			s.tiers.store.Forget(space, path, start)
		}
	}
	if terr := s.tree.Truncate(t.seq, keep); terr != nil {
		s.e.cfg.Log.Error("restoring a prefix", "engine", s.e.cfg.Name, "error", terr)
		return false
	}
	t.filled = keep
	if err != nil {
		return false
	}
	took := time.Since(began)
	s.tiers.stats.RestoredTokens += int64(n)
	s.tiers.stats.RestoreTime += took
	s.tiers.rate += (float64(size)/max(took.Seconds(), 1e-6) - s.tiers.rate) / 8
	return true
}

// minSave is the shortest rest of a path that is worth a piece.
const minSave = 8

// save copies one piece of the idle sequence that would be evicted first to host
// memory, when fewer than half of the cells could be had without losing anything,
// and tells whether it did something. It runs between steps.
func (s *scheduler) save() bool {
	if s.tiers.store == nil || s.tree.Free() >= s.e.cfg.Cells/2 || s.tree.Spare() >= s.e.cfg.Cells/2 {
		return false
	}
	id, ok := s.tree.Unsaved(false)
	return ok && s.saveOf(id, false)
}

// saveOf copies the next piece of an idle sequence. At the end of the engine it
// waits for room.
func (s *scheduler) saveOf(id kvcache.Seq, last bool) bool {
	began := time.Now()
	space, path := s.tree.Path(id, s.tiers.path[:0])
	s.tiers.path = path
	covered := s.tiers.store.Match(space, path, 0).Tokens
	if len(path)-covered < minSave {
		s.tree.Saved(id, len(path))
		return true
	}
	start := covered / tier.Block * tier.Block
	end := min(start+tier.Block, len(path))
	size, err := s.tiers.saver.SeqSaveSize(id, llama.Pos(start), llama.Pos(end))
	if err == nil && last && !s.tiers.store.AwaitRoom(int64(size)) {
		return false
	}
	kept := false
	if err == nil {
		kept, err = s.tiers.store.Put(space, path[:end], start, size, func(dst []byte) (int, error) {
			return s.tiers.saver.SeqSaveTo(dst, id, llama.Pos(start), llama.Pos(end))
		})
	}
	switch {
	case err != nil:
		s.e.cfg.Log.Error("saving a prefix", "engine", s.e.cfg.Name, "error", err)
		fallthrough
	case !kept:
		s.tree.Saved(id, len(path)) // there is no room for it: it is not tried again
		return !last
	}
	s.tiers.stats.SavedTokens += int64(end - start)
	s.tiers.stats.SaveTime += time.Since(began)
	return true
}

// persistTime is how long the end of an engine may take for what is in cells and
// host memory to reach files.
const persistTime = 6 * time.Second

// persist writes what idle sequences hold to files, and closes the tiers.
func (s *scheduler) persist() {
	if s.tiers.store == nil {
		return
	}
	defer s.tiers.store.Close()
	if !s.tiers.store.HasFiles() {
		return
	}
	until := time.Now().Add(persistTime)
	s.tiers.store.Flush(until)
	for time.Now().Before(until) {
		id, ok := s.tree.Unsaved(true) // the time may not be enough for all
		if !ok || !s.saveOf(id, true) {
			return
		}
	}
}

// tierStats is what publish shows.
func (s *scheduler) tierStats() TierStats {
	st := s.tiers.stats
	if s.tiers.store != nil {
		st.Stats = s.tiers.store.Stats()
	}
	return st
}
