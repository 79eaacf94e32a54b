package bench

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPercentile(t *testing.T) {
	f := func(values []float64, p, want float64) {
		t.Helper()
		if got := Percentile(values, p); math.Abs(got-want) > 1e-12 {
			t.Errorf("Percentile(%v, %g) = %g, want %g", values, p, got, want)
		}
	}
	f([]float64{7}, 0, 7)
	f([]float64{7}, 99, 7)
	f([]float64{1, 2}, 50, 1.5)
	f([]float64{1, 2, 3, 4, 5}, 50, 3)
	f([]float64{1, 2, 3, 4, 5}, 90, 4.6)
	f([]float64{10, 20, 30, 40}, 25, 17.5)
	f([]float64{10, 20, 30, 40}, 100, 40)
	f([]float64{10, 20, 30, 40}, 0, 10)
	if got := Percentile(nil, 50); !math.IsNaN(got) {
		t.Errorf("Percentile(nil, 50) = %g, want NaN", got)
	}
}

func TestSummarise(t *testing.T) {
	got := Summarise([]float64{4, 1, 3, 2})
	want := Summary{N: 4, Min: 1, Mean: 2.5, P50: 2.5, P90: 3.7, P95: 3.85, P99: 3.97, Max: 4}
	close := func(name string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-12 {
			t.Errorf("Summarise: %s = %g, want %g", name, got, want)
		}
	}
	close("N", float64(got.N), float64(want.N))
	close("Min", got.Min, want.Min)
	close("Mean", got.Mean, want.Mean)
	close("P50", got.P50, want.P50)
	close("P90", got.P90, want.P90)
	close("P95", got.P95, want.P95)
	close("P99", got.P99, want.P99)
	close("Max", got.Max, want.Max)
	if got := Summarise(nil); got != (Summary{}) {
		t.Errorf("Summarise(nil) = %+v, want the zero Summary", got)
	}
}

func TestMedianOfStarts(t *testing.T) {
	f := func(starts []Summary, n int, low, p50, high float64) {
		t.Helper()
		got := MedianOfStarts(starts)
		if got.N != n || got.Min != low || got.P50 != p50 || got.Max != high {
			t.Errorf("MedianOfStarts(%+v) = n %d, min %g, p50 %g, max %g; want %d, %g, %g, %g", starts, got.N, got.Min, got.P50, got.Max, n, low, p50, high)
		}
	}
	a := Summarise([]float64{10, 11, 12})
	b := Summarise([]float64{20, 21, 22})
	c := Summarise([]float64{14, 15, 100})
	f([]Summary{a, b, c}, 9, 10, 15, 100)
	f([]Summary{a, {}, b}, 6, 10, 16, 22) // a start without values does not count
	f(nil, 0, 0, 0, 0)
}

func TestCompare(t *testing.T) {
	f := func(pairs []Pair, n int, p25, p50, p75 float64) {
		t.Helper()
		got := Compare(Summary{P50: 5, P95: 8, P99: 9, Max: 30}, Summary{P50: 10, P95: 4, P99: 0, Max: 10}, pairs)
		if got.P50 != 0.5 || got.P95 != 2 || got.P99 != 0 || got.Max != 3 {
			t.Errorf("Compare: ratios %g %g %g %g, want 0.5 2 0 3", got.P50, got.P95, got.P99, got.Max)
		}
		if s := got.Pairs; s.N != n || s.P25 != p25 || s.P50 != p50 || s.P75 != p75 {
			t.Errorf("Compare(%v): pairs %+v, want n %d, %g %g %g", pairs, s, n, p25, p50, p75)
		}
	}
	f(nil, 0, 0, 0, 0)
	f([]Pair{{[]float64{1, 2, 3}, []float64{4}}}, 1, 0.5, 0.5, 0.5)
	f([]Pair{{[]float64{1}, []float64{2}}, {[]float64{3}, []float64{2}}, {[]float64{2}, []float64{2}}}, 3, 0.75, 1, 1.25)
	f([]Pair{{[]float64{1}, []float64{0}}, {nil, []float64{2}}, {[]float64{2}, []float64{1}}}, 1, 2, 2, 2)
}

func TestSummaryProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 200).Draw(t, "values")
		before := slices.Clone(values)
		s := Summarise(values)
		if !slices.Equal(values, before) {
			t.Fatalf("Summarise changed its argument")
		}
		ladder := []float64{s.Min, s.P50, s.P90, s.P95, s.P99, s.Max}
		if !slices.IsSorted(ladder) || s.Mean < s.Min-1e-3 || s.Mean > s.Max+1e-3 {
			t.Fatalf("Summarise(%v) = %+v: not in order", values, s)
		}
		// At least half of the values are on each side of the median.
		low, high := 0, 0
		for _, v := range values {
			if v <= s.P50 {
				low++
			}
			if v >= s.P50 {
				high++
			}
		}
		if 2*low < len(values) || 2*high < len(values) {
			t.Fatalf("median %g of %v: %d below or at it, %d above or at it", s.P50, values, low, high)
		}
		// One start is its own median.
		if got := MedianOfStarts([]Summary{s}); got != s {
			t.Fatalf("MedianOfStarts of one = %+v, want %+v", got, s)
		}
	})
}

func TestCompareProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.Float64Range(0.01, 100).Draw(t, "factor")
		var pairs []Pair
		var a, b []float64
		for range rapid.IntRange(1, 20).Draw(t, "rounds") {
			y := rapid.SliceOfN(rapid.Float64Range(0.1, 1e4), 1, 9).Draw(t, "b")
			x := make([]float64, len(y))
			for i := range y {
				x[i] = k * y[i]
			}
			pairs = append(pairs, Pair{x, y})
			a, b = append(a, x...), append(b, y...)
		}
		r := Compare(Summarise(a), Summarise(b), pairs)
		for name, got := range map[string]float64{"p50": r.P50, "p95": r.P95, "p99": r.P99, "max": r.Max, "pairs min": r.Pairs.Min, "pairs p50": r.Pairs.P50, "pairs max": r.Pairs.Max} {
			if math.Abs(got/k-1) > 1e-9 {
				t.Fatalf("A is %g × B everywhere, yet ratio %s = %g", k, name, got)
			}
		}
	})
}
