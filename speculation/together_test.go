package speculation

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// listed are chances that are given.
type listed []float64

func (l listed) Chance(i int) float64 { return l[i] }

// All choices of a few sequences are compared: none is better than what Together
// chooses, whatever the step costs.
func TestTogetherFindsTheBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		streams := rapid.IntRange(1, 8).Draw(t, "streams")
		bids := make([]Bid, rapid.IntRange(1, min(streams, 3)).Draw(t, "bids"))
		for i := range bids {
			chances := rapid.SliceOfN(rapid.Float64Range(0.05, 1), 0, 4).Draw(t, "chances")
			bids[i] = Bid{Of: listed(chances), Most: len(chances)}
		}
		step := rapid.Float64Range(0.1, 10).Draw(t, "step")
		slope := rapid.SliceOfN(rapid.Float64Range(0, 2), 12, 12).Draw(t, "slopes")
		cost := func(rows int) float64 {
			c := step
			for _, s := range slope[:rows] {
				c += s
			}
			return c
		}
		most := rapid.IntRange(0, 12).Draw(t, "most")
		value := func(ks []int) float64 {
			rows, sum, guessing := 0, 0.0, 0
			for i, k := range ks {
				tokens, p := 1.0, 1.0
				for j := range k {
					if p *= bids[i].Of.Chance(j); p < 0.01 {
						return math.Inf(-1)
					}
					tokens += p
				}
				sum += math.Log(tokens)
				if rows += k; k > 0 {
					guessing++
				}
			}
			if rows > most {
				return math.Inf(-1)
			}
			return sum - float64(streams)*math.Log(cost(rows)/step) - worth*float64(guessing)
		}
		rows := 0
		gain := Together(bids, most, float64(streams), step, func(int) float64 { rows++; return cost(rows) })
		ks := make([]int, len(bids))
		guessing := 0
		for i, b := range bids {
			if ks[i] = b.K; b.K > 0 {
				guessing++
			}
		}
		got := value(ks)
		if math.Abs(got-(gain-worth*float64(guessing))) > 1e-9 {
			t.Fatalf("Together says that %v gains %v, it is %v", ks, gain, got+worth*float64(guessing))
		}
		// Every choice, counted through. Which of two sequences guesses at all is worth up
		// to one price of entry, which the order of the guesses does not look at.
		slack := worth * float64(max(len(bids)-1, 0))
		for at := make([]int, len(bids)); ; {
			if v := value(at); v > got+slack+1e-9 {
				t.Fatalf("Together chose %v, worth %v; %v is worth %v", ks, got, at, v)
			}
			i := 0
			for ; i < len(at); i++ {
				if at[i]++; at[i] <= bids[i].Most {
					break
				}
				at[i] = 0
			}
			if i == len(at) {
				break
			}
		}
	})
}

// Alone a sequence gets what Depth says.
func TestTogetherOfOneIsDepth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chances := rapid.SliceOfN(rapid.Float64Range(0.05, 1), 1, MaxDraft).Draw(t, "chances")
		row := rapid.Float64Range(0, 1).Draw(t, "row")
		streams := rapid.IntRange(1, 8).Draw(t, "streams")
		cost := func(k int) float64 { return 1 + row*float64(k) }
		want, gain := Depth(len(chances), float64(streams), listed(chances).Chance, cost)
		bids, k := []Bid{{Of: listed(chances), Most: len(chances)}}, 0
		got := Together(bids, MaxDraft, float64(streams), cost(0), func(int) float64 { k++; return cost(k) })
		if bids[0].K != want || math.Abs(got-gain) > 1e-9 {
			t.Fatalf("Together = %d guesses, gain %v; Depth = %d, %v", bids[0].K, got, want, gain)
		}
	})
}

// A row costs what it does on two cores beside eight streams: one of them gains
// nothing by itself, all of them together much.
func TestTogetherSharesTheStep(t *testing.T) {
	certain := listed(slices.Repeat([]float64{0.97}, 16))
	f := func(n int) (ks []int) {
		bids := make([]Bid, n)
		for i := range bids {
			bids[i] = Bid{Of: certain, Most: len(certain)}
		}
		rows := 0.0
		Together(bids, 128, 8, 12, func(int) float64 { rows++; return 12 + 1.2*rows })
		for _, b := range bids {
			ks = append(ks, b.K)
		}
		return ks
	}
	if ks := f(1); ks[0] != 0 {
		t.Errorf("one of eight verifies %v guesses at 1.2 ms in steps of 12 ms, want none", ks)
	}
	if ks := f(8); slices.Min(ks) < 3 {
		t.Errorf("eight of eight verify %v guesses at 1.2 ms in steps of 12 ms, want at least 3 each", ks)
	}
}
