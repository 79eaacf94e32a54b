package bench

import (
	"math"
	"slices"
)

// Summary describes one sample of a metric, in the metric's unit.
type Summary struct {
	N    int     `json:"n"`
	Min  float64 `json:"min"`
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Percentile returns the p-th percentile (0 … 100) of ascending values by
// linear interpolation between the two nearest ranks; NaN without values.
func Percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	rank := p / 100 * float64(len(sorted)-1)
	low := int(math.Floor(rank))
	if low < 0 {
		return sorted[0]
	}
	if low >= len(sorted)-1 {
		return sorted[len(sorted)-1]
	}
	part := rank - float64(low)
	if part == 0 || sorted[low] == sorted[low+1] {
		return sorted[low]
	}
	return sorted[low]*(1-part) + sorted[low+1]*part
}

// Median returns the 50th percentile of values in any order; NaN without
// values. The values are left as they are.
func Median(values []float64) float64 {
	return Percentile(slices.Sorted(slices.Values(values)), 50)
}

// Summarise describes values, which it leaves as they are. The zero Summary
// stands for no values.
func Summarise(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	s := slices.Sorted(slices.Values(values))
	var mean float64
	for i, v := range s {
		mean += (v - mean) / float64(i+1)
	}
	return Summary{
		N: len(s), Min: s[0], Mean: mean, Max: s[len(s)-1],
		P50: Percentile(s, 50), P90: Percentile(s, 90), P95: Percentile(s, 95), P99: Percentile(s, 99),
	}
}

// MedianOfStarts joins the summaries of several starts of one server: each
// field is the median over the starts, except N (sum), Min and Max (extremes).
// Starts without values do not count.
func MedianOfStarts(starts []Summary) Summary {
	var used []Summary
	for _, s := range starts {
		if s.N > 0 {
			used = append(used, s)
		}
	}
	if len(used) == 0 {
		return Summary{}
	}
	of := func(f func(Summary) float64) float64 {
		v := make([]float64, len(used))
		for i, s := range used {
			v[i] = f(s)
		}
		return Median(v)
	}
	out := Summary{
		Min: used[0].Min, Max: used[0].Max,
		Mean: of(func(s Summary) float64 { return s.Mean }),
		P50:  of(func(s Summary) float64 { return s.P50 }),
		P90:  of(func(s Summary) float64 { return s.P90 }),
		P95:  of(func(s Summary) float64 { return s.P95 }),
		P99:  of(func(s Summary) float64 { return s.P99 }),
	}
	for _, s := range used {
		out.N += s.N
		out.Min = min(out.Min, s.Min)
		out.Max = max(out.Max, s.Max)
	}
	return out
}

// Ratio compares server A with server B on one metric, A ÷ B. The first four
// divide the statistics of the same name; Pairs describes the ratios of the
// two medians of each round that both servers ran. A ratio that cannot be
// formed (division by zero) is left 0.
type Ratio struct {
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
	Pairs Spread  `json:"pairs"`
}

// Spread is where pairwise ratios lie.
type Spread struct {
	N   int     `json:"n"`
	Min float64 `json:"min"`
	P25 float64 `json:"p25"`
	P50 float64 `json:"p50"`
	P75 float64 `json:"p75"`
	Max float64 `json:"max"`
}

// Pair holds one round's values of a metric on both servers.
type Pair struct{ A, B []float64 }

// Compare forms the ratios of a over b and the spread over the pairs.
func Compare(a, b Summary, pairs []Pair) Ratio {
	var each []float64
	for _, p := range pairs {
		if r := divide(Median(p.A), Median(p.B)); r != 0 {
			each = append(each, r)
		}
	}
	slices.Sort(each)
	r := Ratio{P50: divide(a.P50, b.P50), P95: divide(a.P95, b.P95), P99: divide(a.P99, b.P99), Max: divide(a.Max, b.Max)}
	if len(each) > 0 {
		r.Pairs = Spread{
			N: len(each), Min: each[0], P25: Percentile(each, 25), P50: Percentile(each, 50),
			P75: Percentile(each, 75), Max: each[len(each)-1],
		}
	}
	return r
}

// divide returns a/b, or 0 where that is no finite number.
func divide(a, b float64) float64 {
	q := a / b
	if math.IsNaN(q) || math.IsInf(q, 0) {
		return 0
	}
	return q
}
