package speculation

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Costs in milliseconds of a step by its rows: measured on two processor cores
// (docs/performance.md), interpolated, and as a large GPU has them.
func cpuCost(rows float64) float64 {
	table := []struct{ rows, ms float64 }{{1, 8.2}, {2, 13.9}, {4, 21}, {8, 34}, {16, 60}, {32, 113}, {1024, 3400}}
	for i := 1; ; i++ {
		if a, b := table[i-1], table[i]; rows <= b.rows {
			return a.ms + (b.ms-a.ms)*(rows-a.rows)/(b.rows-a.rows)
		}
	}
}

func gpuCost(rows float64) float64 { return 6 + 0.05*rows }

// simulate generates n tokens on each of streams sequences whose guesses are
// right with the given chance, and returns tokens a millisecond over those
// without guesses. The estimate of the costs is off by a fifth.
func simulate(streams, n int, chance float64, cost func(rows float64) float64) float64 {
	rng := rand.New(rand.NewPCG(1, 2))
	all := NewRates(nil)
	done, rates := make([]int, streams), make([]*Rates, streams)
	for i := range rates {
		rates[i] = NewRates(all)
	}
	ms, tokens := 0.0, 0
	for tokens < n*streams {
		rows := float64(streams)
		bids, lengths := make([]Bid, streams), make([]int, streams)
		for i := range streams {
			lengths[i] = 3 + rng.IntN(20)
			bids[i] = Bid{Of: &Sequence{rates: rates[i], source: Own, length: lengths[i]}, Most: MaxDraft}
		}
		at := rows
		Together(bids, streams*MaxDraft, float64(streams), 1.2*cost(rows), func(int) float64 { at++; return 1.2 * cost(at) })
		for _, b := range bids {
			rows += float64(b.K)
		}
		ms += cost(rows)
		for i, b := range bids {
			accepted := 0
			for accepted < b.K && rng.Float64() < chance {
				accepted++
			}
			judged, right := b.K, accepted
			if right == judged && judged < MaxDraft {
				if judged++; rng.Float64() < chance {
					right++
				}
			}
			rates[i].Learn(Own, lengths[i], judged, right)
			done[i] += 1 + accepted
			tokens += 1 + accepted
		}
	}
	return float64(tokens) / ms / (float64(streams) / cost(float64(streams)))
}

func TestSpeculationPaysAndNeverLoses(t *testing.T) {
	f := func(name string, streams int, chance float64, cost func(float64) float64, least float64) {
		t.Helper()
		if got := simulate(streams, 4000, chance, cost); got < least {
			t.Errorf("%s: %d streams with chance %v reach %.3f of the speed without guesses, want at least %v", name, streams, chance, got, least)
		} else {
			t.Logf("%s: %d streams, chance %v: %.3f", name, streams, chance, got)
		}
	}
	f("GPU", 1, 0.8, gpuCost, 2.2)
	f("GPU", 8, 0.8, gpuCost, 2.2)
	f("GPU", 64, 0.8, gpuCost, 1.2)
	f("CPU", 1, 0.98, cpuCost, 1.6)
	for _, streams := range []int{1, 2, 4, 8} {
		for _, chance := range []float64{0, 0.2, 0.4, 0.6, 0.8, 0.95} {
			f("CPU", streams, chance, cpuCost, 0.98)
		}
	}
}

// A copying sequence must not slow the others of its batch by much.
func TestDepthIsFairToOthers(t *testing.T) {
	certain := func(int) float64 { return 1 }
	cost := func(streams int) func(int) float64 {
		return func(k int) float64 { return cpuCost(float64(streams + k)) }
	}
	if k, _ := Depth(MaxDraft, 1, certain, cost(1)); k < 8 {
		t.Errorf("alone and certain: %d guesses, want many", k)
	}
	if k, _ := Depth(MaxDraft, 8, certain, cost(8)); k != 0 {
		t.Errorf("one of eight on two cores: %d guesses, want none", k)
	}
	if k, _ := Depth(MaxDraft, 1, func(int) float64 { return 0.4 }, cost(1)); k != 0 {
		t.Errorf("unlikely guesses: %d, want none", k)
	}
	if k, _ := Depth(0, 1, certain, cost(1)); k != 0 {
		t.Errorf("nothing proposed: %d", k)
	}
}

func TestProposeFollowsThePrediction(t *testing.T) {
	guess := []Token{10, 11, 12, 13, 14, 15, 16, 17}
	s := NewSequence("", []Token{1, 2, 3}, guess, NewRates(nil))
	text := []Token{1, 2, 3}
	f := func(source Source, next Token, want ...Token) {
		t.Helper()
		text = append(text, next)
		got := s.Propose(nil, text, 3, true, nil)
		if !slices.Equal(got, want) || len(want) > 0 && s.source != source {
			t.Fatalf("behind %v: %v from %v, want %v from %v", text, got, s.source, want, source)
		}
	}
	f(Prediction, 10, 11, 12, 13)
	f(Prediction, 11, 12, 13, 14)
	f(Own, 99) // the answer leaves the prediction
	f(Own, 13)
	f(Own, 14)
	f(Prediction, 15, 16, 17) // and is back
	f(Prediction, 16, 17)
	f(Own, 17) // the prediction's end
}

func TestProposeTakesTheLongerMatch(t *testing.T) {
	l := NewLibrary()
	l.Add("a", []Token{5, 1, 2, 3, 8, 8})
	s := NewSequence("a", []Token{9, 1, 2, 3, 7, 7, 4}, nil, NewRates(nil))
	if got := s.Propose(nil, []Token{9, 1, 2, 3, 7, 7, 4, 5, 1, 2, 3}, 1, true, l); !slices.Equal(got, []Token{8}) || s.source != Shared {
		t.Fatalf("Propose = %v from %v, want 8 from the library, where four tokens are the same", got, s.source)
	}
	s = NewSequence("b", []Token{9, 1, 2, 3, 7, 7, 4}, nil, NewRates(nil))
	if got := s.Propose(nil, []Token{9, 1, 2, 3, 7, 7, 4, 5, 1, 2, 3}, 1, true, l); !slices.Equal(got, []Token{7}) || s.source != Own {
		t.Fatalf("Propose = %v from %v, want 7 from the request itself", got, s.source)
	}
}

func TestRatesLearnAndPassOn(t *testing.T) {
	all := NewRates(nil)
	a := NewRates(all)
	for range 50 {
		a.Learn(Own, 4, 4, 0)
	}
	if got := a.At(Own, 4, 0); got > 0.15 {
		t.Errorf("after 50 wrong guesses the chance is %v", got)
	}
	if got := NewRates(all).At(Own, 5, 0); got > 0.2 {
		t.Errorf("a new request starts from %v, want what others saw", got)
	}
	if got := a.At(Own, 20, 0); got < 0.9 {
		t.Errorf("another length of match is at %v, want it as it was", got)
	}
	for range 50 {
		a.Learn(Own, 4, 4, 4)
	}
	if got := a.At(Own, 4, 3); got < 0.9 {
		t.Errorf("after 50 right guesses the chance is %v", got)
	}
}

func BenchmarkPropose(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	text := make([]Token, 4096)
	for i := range text {
		text[i] = Token(rng.IntN(40))
	}
	l := NewLibrary()
	for range 8 {
		l.Add("", text[:2000])
	}
	s := NewSequence("", text, nil, NewRates(nil))
	dst := make([]Token, 0, MaxDraft)
	b.ReportAllocs()
	for b.Loop() {
		dst = s.Propose(dst[:0], text, MaxDraft, true, l)
	}
}
