package inference

import (
	"bytes"
	"fmt"
	"io"
)

// DebugKV writes the KV cache readably: the tiers, then the tree of what lies in
// cells, with the beginning of each run's text. The scheduler is held up meanwhile,
// for about a microsecond a run. It fails with ErrClosed.
func (e *Engine) DebugKV(w io.Writer) error {
	var out bytes.Buffer
	if err := e.errand(func() { e.sched.print(&out) }); err != nil {
		return err
	}
	_, err := out.WriteTo(w)
	return err
}

func (s *scheduler) print(w io.Writer) {
	st := s.tierStats()
	fmt.Fprintf(w, "model %s\n", s.e.cfg.Name)
	fmt.Fprintf(w, "hits: %d from cells, %d from host memory, %d from files\n", st.PrimaryHits, st.HostHits, st.DiskHits)
	if s.tiers.store != nil {
		fmt.Fprintf(w, "host: %d of %d bytes, %d tokens, %d pieces evicted\n", st.HostBytes, st.HostCap, st.HostTokens, st.HostEvicted)
		fmt.Fprintf(w, "disk: %d of %d bytes, %d tokens, %d evicted, %d written, %d read, %d refused, %d write errors\n",
			st.DiskBytes, st.DiskCap, st.DiskTokens, st.DiskEvicted, st.Written, st.Read, st.Refused, st.WriteErrors)
		fmt.Fprintf(w, "restored %d tokens in %s, saved %d in %s\n", st.RestoredTokens, st.RestoreTime, st.SavedTokens, st.SaveTime)
	}
	s.tree.Print(w, func(run []Token) string {
		var b []byte
		for _, t := range run {
			b = append(b, s.e.model.Piece(t, true)...)
		}
		return string(b)
	})
}

// errand has f run on the scheduler's goroutine between two steps, and waits.
func (e *Engine) errand(f func()) error {
	done := make(chan struct{})
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return ErrClosed
	}
	e.errands = append(e.errands, func() { defer close(done); f() })
	e.mu.Unlock()
	e.wake()
	select {
	case <-done:
		return nil
	case <-e.ended:
		return ErrClosed
	}
}

// runErrands does what others asked for.
func (s *scheduler) runErrands() {
	s.e.mu.Lock()
	todo := s.e.errands
	s.e.errands = nil
	s.e.mu.Unlock()
	for _, f := range todo {
		f()
	}
}
