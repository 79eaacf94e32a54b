package inference

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCostModelLearnsAMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fixed := rapid.Float64Range(1e-3, 10e-3).Draw(t, "fixed")
		row := rapid.Float64Range(1e-5, 5e-3).Draw(t, "row")
		cell := rapid.Float64Range(0, 4e-3).Draw(t, "cell")
		machine := func(rows, attended int) time.Duration {
			return time.Duration((fixed + row*float64(rows) + cell*float64(attended)/1000) * 1e9)
		}
		build := rapid.Float64Range(0.2e-3, 2e-3).Draw(t, "build")
		c := newCostModel(false)
		for i := range 300 {
			rows := 1 + i/2*7%40 // each number of rows twice: every second graph is new
			attended := rows * (i * 13 % 2000)
			took := machine(rows, attended)
			joined := i%2 == 0
			if joined {
				took += time.Duration(build * 1e9)
			}
			took += took / 20 * time.Duration(i%3-1) // ± 5 %
			if i%50 == 49 {
				took *= 10 // a neighbour woke up
			}
			c.learn(stepLoad{rows: rows, cells: attended, attended: attended, outputs: 1 + i%3, joined: joined}, took)
		}
		for _, rows := range []int{1, 8, 32} {
			got, want := c.predict(stepLoad{rows: rows, cells: rows * 500, attended: rows * 500, outputs: 1}), machine(rows, rows*500)
			if got < want*7/10 || got > want*14/10 {
				t.Fatalf("predict(%d rows at 500 cells) = %v after 300 steps, want about %v", rows, got, want)
			}
			if l := (stepLoad{rows: rows, cells: rows * 500, attended: rows * 500, outputs: 1, joined: true}); c.predict(l)-got != c.graph() && (c.predict(l)-got-c.graph()).Abs() > time.Microsecond {
				t.Fatalf("a new graph of %d rows costs %v, want %v", rows, c.predict(l)-got, c.graph())
			}
		}
	})
}

// TestCostModelKnowsKernelsThatChange has a machine whose cost a row is nothing like
// a line, as with tiles of 16 rows: after a thousand steps of three rows it still
// knows what a long chunk takes, and a machine that was never asked for one is not
// trusted with it.
func TestCostModelKnowsKernelsThatChange(t *testing.T) {
	machine := func(rows, attended int) time.Duration {
		ms := 6.0
		if rows > 1 {
			ms = 12 + float64((rows+15)/16)*10
		}
		return time.Duration((ms + 0.4*float64(attended)/1000) * 1e6)
	}
	learn := func(c *costModel, rows, depth, times int) {
		for i := range times {
			took := machine(rows, rows*depth)
			took += took / 50 * time.Duration(i%3-1)
			c.learn(stepLoad{rows: rows, cells: rows * depth, attended: rows * depth, outputs: 1}, took)
		}
	}
	near := func(c *costModel, rows, depth int) {
		t.Helper()
		got, want := c.predict(stepLoad{rows: rows, cells: rows * depth, attended: rows * depth, outputs: 1}), machine(rows, rows*depth)
		if got < want*8/10 || got > want*12/10 {
			t.Errorf("predict(%d rows at %d cells) = %v, want about %v", rows, depth, got, want)
		}
	}
	c := newCostModel(false)
	for _, rows := range []int{1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512} {
		learn(c, rows, 100, 20)
		learn(c, rows, 1500, 20)
	}
	for depth := range 1000 {
		learn(c, 3, depth, 1)
	}
	for _, rows := range []int{1, 3, 16, 64, 512} {
		near(c, rows, 1000)
	}
	fresh := newCostModel(false)
	learn(fresh, 3, 500, 300)
	if k := fresh.chunk(decoding(3, 1500), 1000, 80*time.Millisecond, 1, 512); machine(3+k, 1500+k*1000) > 100*time.Millisecond {
		t.Errorf("chunk = %d rows without having seen one, which take %v, want at most 80ms", k, machine(3+k, 1500+k*1000))
	}
}

func TestChunkFitsTheBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCostModel(false)
		rows, attended := rapid.IntRange(0, 8).Draw(t, "rows"), rapid.IntRange(0, 20000).Draw(t, "attended")
		depth, most := rapid.IntRange(0, 4000).Draw(t, "depth"), rapid.IntRange(1, 512).Draw(t, "most")
		least := rapid.IntRange(0, most).Draw(t, "least")
		budget := time.Duration(rapid.IntRange(0, 500).Draw(t, "budget")) * time.Millisecond
		beside := decoding(rows, attended)
		at := func(k int) time.Duration { return c.predict(beside.with(k, depth)) }
		k := c.chunk(beside, depth, budget, least, most)
		if k < least || k > most {
			t.Fatalf("chunk = %d, want between %d and %d", k, least, most)
		}
		if k > least && at(k) > budget {
			t.Fatalf("chunk = %d takes %v, over the budget of %v", k, at(k), budget)
		}
		if k < most && at(k+1) <= budget {
			t.Fatalf("chunk = %d, but %d would fit the budget of %v", k, k+1, budget)
		}
	})
}

// TestCostModelTellsRowsFromOutputs has streams alone for a long time: each row has an
// output and cells of its own, so many prices explain the steps equally well. What a
// guess would cost must still be about right when the first is weighed.
func TestCostModelTellsRowsFromOutputs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.Float64Range(2, 6).Draw(t, "step")
		row := rapid.Float64Range(0.3, 3).Draw(t, "row")
		out := rapid.Float64Range(0.05, 0.25).Draw(t, "output")
		read, look := rapid.Float64Range(0.5, 3).Draw(t, "read"), rapid.Float64Range(0.3, 1).Draw(t, "look")
		machine := func(l stepLoad) time.Duration {
			ms := step + row*float64(l.rows) + out*float64(l.outputs) + read*float64(l.cells)/1000 + look*float64(l.attended)/1000
			return time.Duration(ms * 1e6)
		}
		c := newCostModel(false)
		for i := range 4000 {
			streams := []int{1, 2, 3, 4, 7, 8}[i/50%6]
			l := decoding(streams, streams*(50+i*7%500))
			if i%100 < 8 { // a new request reads its prompt
				l = l.with(16+i%100*20, 0)
			}
			swing := 1 + 0.3*math.Sin(float64(i)/300) // others on the machine come and go
			took := time.Duration(float64(machine(l)) * swing)
			c.learn(l, took+took/20*time.Duration(i%5-2)) // ± 10 %
		}
		for _, streams := range []int{1, 4, 8} {
			l := decoding(streams, streams*300)
			for _, k := range []int{1, 4, 8} {
				got, want := c.predict(l.guessing(k, 300)), machine(l.guessing(k, 300))
				if got < want*6/10 || got > want*15/10 {
					t.Fatalf("%d guesses beside %d streams are expected to take %v, they take %v", k, streams, got, want)
				}
			}
		}
	})
}
