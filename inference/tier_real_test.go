package inference

import (
	"testing"
	"time"
)

// TestAnswersFromTheTiers has the prompts of TestAnswersDoNotDependOnCompany
// answered alone in a new engine each, and expects the same words when their
// beginnings come back from host memory, from files after a restart, and when they
// were pushed out in the middle and restored.
func TestAnswersFromTheTiers(t *testing.T) {
	path := realModel(t)
	load := func(cfg LoadConfig) *Engine {
		t.Helper()
		cfg.Threads = 2
		return steadyEngine(t, path, cfg)
	}
	want := alone(t, path, steadyRequests, func(e *Engine, i int) string {
		text, _ := steadyAnswer(t, e, i, Interactive)
		return text
	})
	round := func(name string, e *Engine) (prompt, cached int) {
		t.Helper()
		for i := range want {
			got, res := steadyAnswer(t, e, i, Interactive)
			if got != want[i] {
				t.Errorf("%s: answer %d = %q, alone it was %q", name, i, got, want[i])
			}
			prompt, cached = prompt+res.PromptTokens, cached+res.CachedTokens
		}
		return prompt, cached
	}
	kv := TierConfig{Host: 1 << 30, Dir: t.TempDir(), Disk: 4 << 30}
	small := Config{Cells: 1536, Parallel: 2}
	e := load(LoadConfig{Config: small, KV: kv})
	round("first", e)
	prompt, cached := round("from host memory", e)
	st := e.Stats().Tiers
	if st.HostHits == 0 || cached*10 < prompt*9 {
		t.Errorf("%d of %d prompt tokens were cached, %d requests restored; want nine tenths", cached, prompt, st.HostHits)
	}
	t.Logf("host: %d of %d tokens cached, %d restored in %s, %d saved in %s", cached, prompt, st.RestoredTokens, st.RestoreTime, st.SavedTokens, st.SaveTime)
	began := time.Now()
	e.Close()
	t.Logf("closed in %s", time.Since(began))

	e = load(LoadConfig{Config: small, KV: kv})
	prompt, cached = round("from files", e)
	st = e.Stats().Tiers
	if st.DiskHits == 0 || cached*10 < prompt*9 {
		t.Errorf("after the restart %d of %d prompt tokens were cached, %d requests from files; want nine tenths", cached, prompt, st.DiskHits)
	}
	t.Logf("files: %d of %d tokens cached, %d files read in %s", cached, prompt, st.Read, st.ReadTime)
	e.Close()

	e = load(LoadConfig{Config: Config{Cells: 1536, Parallel: 4, BatchRows: 96}, KV: TierConfig{Host: 1 << 30}})
	defer e.Close()
	together(len(want), 6, func(worker, i int) {
		if got, _ := steadyAnswer(t, e, i, Priority(worker%2)); got != want[i] {
			t.Errorf("pushed out: answer %d = %q, alone it was %q", i, got, want[i])
		}
	})
	st = e.Stats().Tiers
	t.Logf("company: %d pushed out, %d tokens restored", e.Stats().Preempted, st.RestoredTokens)
	if n := e.Stats().Cache.DisorderedSeqs; n > 0 {
		t.Errorf("%d sequences out of order", n)
	}
}
