package llama

import (
	"math"
	"slices"
	"testing"
)

// TestAttentionAgreesWithPlainOne compares our attention with the library's plain
// one (softmax of a whole matrix) over several widths of heads and types of caches.
func TestAttentionAgreesWithPlainOne(t *testing.T) {
	f := func(width, heads uint32, k, v KVType, near float64) {
		t.Helper()
		m := tinyModel(t, tinyShape{layers: 2, width: width, heads: heads, context: 1024})
		read := func(flash int, k, v KVType) []TokenLogprob {
			t.Helper()
			c, err := m.NewContext(ContextParams{Cells: 1024, Sequences: 2, Batch: 64, Threads: 2, FlashAttn: flash, TypeK: k, TypeV: v})
			if err != nil {
				t.Fatalf("%d wide, %d heads, %s/%s: %v", width, heads, k, v, err)
			}
			defer c.Close()
			s := newSampler(t, m, SamplingParams{Logprobs: 20})
			var b Batch
			for at := 0; at < 600; at += len(b.Tokens) {
				b.Reset()
				for i := range min(50, 600-at) {
					b.Add(Token(260+(at+i)*7%26), Pos(at+i), 0)
				}
				b.Groups = []Group{{Sampler: s, First: len(b.Tokens) - 1, Rows: 1}}
				if err := c.Step(&b); err != nil {
					t.Fatal(err)
				}
			}
			return slices.Clone(b.Logprobs[len(b.Tokens)-1][1:])
		}
		want := map[Token]float32{}
		for _, p := range read(0, KVF16, KVF16) {
			want[p.Token] = p.Logprob
		}
		own, _ := Attentions()
		got := read(1, k, v)
		if now, _ := Attentions(); now == own {
			t.Fatalf("%d wide, %d heads, %s/%s: our attention was not used", width, heads, k, v)
		}
		same := 0
		for _, p := range got {
			w, ok := want[p.Token]
			if !ok {
				continue // at the list's end neighbours change places
			}
			same++
			if math.Abs(float64(w-p.Logprob)) > near {
				t.Errorf("%d wide, %d heads, %s/%s: token %d has %f, want %f", width, heads, k, v, p.Token, p.Logprob, w)
			}
		}
		if same < len(got)*3/4 {
			t.Errorf("%d wide, %d heads, %s/%s: %d of %d best tokens are those of the plain attention", width, heads, k, v, same, len(got))
		}
	}
	f(64, 2, KVF16, KVF16, 0.02)
	f(64, 1, KVF16, KVF16, 0.02)
	f(192, 2, KVF16, KVF16, 0.02) // heads of 96
	f(128, 1, KVBF16, KVBF16, 0.1)
	f(256, 1, KVF16, KVF16, 0.02)
	f(64, 1, KVQ8, KVF16, 0.05)
	f(64, 1, KVQ8, KVQ8, 0.05)
	f(64, 1, KVQ4, KVQ4, 0.5)
}

// TestAttentionOfOddHeads goes to the library.
func TestAttentionOfOddHeads(t *testing.T) {
	m := tinyModel(t, tinyShape{layers: 1, width: 80, heads: 2, context: 64})
	c, err := m.NewContext(ContextParams{Cells: 64, Threads: 1, FlashAttn: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, before := Attentions()
	var b Batch
	b.Add(260, 0, 0)
	if err := c.Step(&b); err != nil {
		t.Fatal(err)
	}
	if _, after := Attentions(); after == before {
		t.Error("heads of 40 were not handed on")
	}
}

// TestARowHasTheSameBitsInAnyCompany reads a prompt in chunks of several lengths,
// into cells with and without gaps, on one thread and two, alone and beside rows of
// others, and expects the same logits to the last bit behind it.
func TestARowHasTheSameBitsInAnyCompany(t *testing.T) {
	m := defaultModel(t)
	const n = 300 // more than a segment of the kernel
	read := func(k, v KVType, chunk, beside, threads int, cells []int32) []TokenLogprob {
		t.Helper()
		c, err := m.NewContext(ContextParams{Cells: 2048, Sequences: 4, Batch: 512, Outputs: 8, Threads: threads, FlashAttn: 1, TypeK: k, TypeV: v})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s := newSampler(t, m, SamplingParams{Logprobs: 20})
		var b Batch
		others := 0
		for at := 0; at < n; {
			b.Reset()
			k := min(chunk, n-at)
			for range beside {
				b.Add(Token(500+others*31%4000), Pos(others), 1)
				b.Cells = append(b.Cells, int32(1000+others))
				others++
			}
			for i := range k {
				b.Add(Token(100+(at+i)*13%9000), Pos(at+i), 0)
				b.Cells = append(b.Cells, cells[at+i])
			}
			if at += k; at == n {
				b.Groups = []Group{{Sampler: s, First: len(b.Tokens) - 1, Rows: 1}}
			}
			if err := c.Step(&b); err != nil {
				t.Fatal(err)
			}
		}
		return slices.Clone(b.Logprobs[len(b.Tokens)-1])
	}
	for _, types := range [][2]KVType{{KVF16, KVF16}, {KVQ8, KVF16}} {
		want := read(types[0], types[1], 300, 0, 2, adjacent(0, n))
		f := func(chunk, beside, threads int, cells []int32) {
			t.Helper()
			if got := read(types[0], types[1], chunk, beside, threads, cells); !slices.Equal(got, want) {
				t.Errorf("%v in chunks of %d beside %d rows on %d threads: %v, want %v", types, chunk, beside, threads, got[0], want[0])
			}
		}
		f(300, 0, 1, adjacent(500, n))
		f(64, 0, 2, spread(3, n))
		f(17, 1, 2, adjacent(0, n))
		f(5, 3, 1, spread(100, n))
		f(100, 40, 2, adjacent(64, n))
		f(299, 0, 2, adjacent(0, n)) // the last row alone
		f(1, 2, 2, adjacent(0, n))
	}
}
