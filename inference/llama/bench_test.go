package llama

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

var shortChat = TemplateInput{Messages: []Message{
	{Role: "system", Content: "You are a helpful assistant."},
	{Role: "user", Content: "Name three colours."},
	{Role: "assistant", Content: "Red, green and blue."},
	{Role: "user", Content: "Now three animals, please, in one short line."},
}}

func BenchmarkRender(b *testing.B) {
	m := defaultModel(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Render(shortChat); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRenderTools takes the full path through the library.
func BenchmarkRenderTools(b *testing.B) {
	m := defaultModel(b)
	in := shortChat
	in.Tools = []Tool{{Name: "f", Description: "does f", Parameters: `{"type":"object","properties":{"x":{"type":"integer"}}}`}}
	for b.Loop() {
		if _, err := m.Render(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTokenize(b *testing.B) {
	m := defaultModel(b)
	f := func(name, text string) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			var dst []Token
			for b.Loop() {
				dst, _ = m.Tokenize(dst[:0], text, true, true)
			}
			b.ReportMetric(float64(len(dst)), "tokens")
		})
	}
	r, err := m.Render(shortChat)
	if err != nil {
		b.Fatal(err)
	}
	f("short chat", r.Prompt)
	f("12 kB", strings.Repeat("The quick brown fox jumps over the lazy dog, twice. ", 240))
}

// BenchmarkStep is one decode of one row; decode-µs is llama_decode alone, the
// rest of a step is ours.
func BenchmarkStep(b *testing.B) {
	m := defaultModel(b)
	c := newContext(b, ContextParams{Cells: 2048, Outputs: 8})
	s := newSampler(b, m, SamplingParams{})
	generate(b, c, s, 0, prompt(b, m, "Hi"), 512, 1)
	start := c.SeqPosMax(0) + 1
	var batch Batch
	var decode, sample int64
	pos := start
	b.ReportAllocs()
	for b.Loop() {
		if pos == start+512 {
			_ = c.SeqRemove(0, start, -1)
			pos = start
		}
		batch.Reset()
		batch.Add(100, pos, 0)
		batch.Groups = append(batch.Groups[:0], Group{Sampler: s, Rows: 1})
		if err := c.Step(&batch); err != nil {
			b.Fatal(err)
		}
		pos++
		decode += batch.DecodeMicros
		sample += batch.SampleMicros
	}
	b.ReportMetric(float64(decode)/float64(b.N), "decode-µs")
	b.ReportMetric(float64(sample)/float64(b.N), "sample-µs")
	b.ReportMetric(float64(b.Elapsed().Microseconds()-decode-sample)/float64(b.N), "rest-µs")
}

// BenchmarkSampling is the cost of one choice among 49,152 tokens.
func BenchmarkSampling(b *testing.B) {
	m := defaultModel(b)
	g, err := m.CompileGrammar(GrammarSpec{GBNF: `root ::= "{" [a-z ]* "}"`}, Budget{})
	if err != nil {
		b.Fatal(err)
	}
	f := func(name string, p SamplingParams, reference bool) {
		b.Run(name, func(b *testing.B) {
			c := newContext(b, ContextParams{})
			p.Seed = 7
			if p.TopP == 0 {
				p.TopP = 1
			}
			if p.Logprobs == 0 {
				p.Logprobs = -1
			}
			s := newSampler(b, m, p)
			if reference {
				s = referenceSampler(b, m, p)
			}
			var batch Batch
			pos, sum := Pos(0), int64(0)
			for b.Loop() {
				batch.Reset()
				if pos == 32 {
					_ = c.SeqRemove(0, 0, -1)
					pos = 0
				}
				batch.Add(100+pos, pos, 0)
				batch.Groups = append(batch.Groups[:0], Group{Sampler: s, Rows: 1})
				if err := c.Step(&batch); err != nil {
					b.Fatal(err)
				}
				pos++
				sum += batch.SampleMicros
			}
			b.ReportMetric(float64(sum)/float64(b.N), "sample-µs")
		})
	}
	for _, reference := range []bool{false, true} {
		who := map[bool]string{false: "ours/", true: "common_sampler/"}[reference]
		f(who+"greedy", SamplingParams{}, reference)
		f(who+"default", SamplingParams{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05}, reference)
		f(who+"penalties", SamplingParams{Temperature: 0.8, TopK: 40, TopP: 0.95, MinP: 0.05, RepeatPenalty: 1.1}, reference)
		f(who+"openai", SamplingParams{Temperature: 1}, reference)
		f(who+"top-p", SamplingParams{Temperature: 1, TopP: 0.9}, reference)
		f(who+"min-p", SamplingParams{Temperature: 1, MinP: 0.05}, reference)
	}
	f("ours/grammar", SamplingParams{Grammar: g}, false)
	f("ours/logprobs", SamplingParams{Logprobs: 5}, false)
}

// BenchmarkKVTypes is what the types of the KV cache cost: steps of 1, 4 and 8
// sequences that each hold 600 or 1500 cells, and reading 1024 tokens in chunks.
func BenchmarkKVTypes(b *testing.B) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, types := range [][2]KVType{{KVF16, KVF16}, {KVQ8, KVF16}, {KVQ8, KVQ8}} {
		name := string(types[0]) + "-" + string(types[1])
		params := ContextParams{Cells: 4096, Sequences: 10, Batch: 512, Outputs: 8, SWAFull: true, TypeK: types[0], TypeV: types[1]}
		read := func(b *testing.B, c *Context, seq SeqID, n, chunk int) {
			b.Helper()
			var batch Batch
			for at := 0; at < n; at += chunk {
				batch.Reset()
				for i := range min(chunk, n-at) {
					batch.Add(Token(100+(at+i)%9000), Pos(at+i), seq)
				}
				if err := c.Step(&batch); err != nil {
					b.Fatal(err)
				}
			}
		}
		for _, chunk := range []int{16, 64, 512} {
			b.Run(fmt.Sprintf("%s/read-1024-by-%d", name, chunk), func(b *testing.B) {
				oneThread(b)
				c := newContext(b, params)
				for b.Loop() {
					read(b, c, 0, 1024, chunk)
					_ = c.SeqRemove(0, 0, -1)
				}
			})
		}
		for _, cells := range []int{600, 1500} {
			c := newContext(b, params)
			read(b, c, 9, cells, 512)
			ReleaseThreads()
			for _, rows := range []int{1, 4, 8} {
				b.Run(fmt.Sprintf("%s/%d-rows-at-%d", name, rows, cells), func(b *testing.B) {
					oneThread(b)
					var batch Batch
					for seq := range SeqID(rows) {
						_ = c.SeqRemove(seq, 0, -1)
						_ = c.SeqCopy(9, seq, 0, -1)
					}
					for b.Loop() {
						batch.Reset()
						for seq := range SeqID(rows) {
							batch.Add(200, c.SeqPosMax(seq)+1, seq)
						}
						if err := c.Step(&batch); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// BenchmarkWindows reads 1024 tokens into a small model whose heads share no keys,
// five of whose six layers see a window: most of its time is attention.
func BenchmarkWindows(b *testing.B) {
	for _, window := range []uint32{128, 512} {
		m := tinyModel(b, tinyShape{layers: 6, width: 256, heads: 4, context: 2048, window: window})
		for _, chunk := range []int{16, 64, 512} {
			b.Run(fmt.Sprintf("%d/read-1024-by-%d", window, chunk), func(b *testing.B) {
				oneThread(b)
				c, err := m.NewContext(ContextParams{Cells: 2048, Sequences: 2, Batch: 512, Outputs: 1, Threads: 2, FlashAttn: 1, SWAFull: true})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				var batch Batch
				for b.Loop() {
					for at := 0; at < 1024; at += chunk {
						batch.Reset()
						for i := range chunk {
							batch.Add(Token(5+(at+i)*13%200), Pos(at+i), 0)
						}
						if err := c.Step(&batch); err != nil {
							b.Fatal(err)
						}
					}
					_ = c.SeqRemove(0, 0, -1)
				}
			})
		}
	}
}

// BenchmarkIdleCells is what cells that nobody attends to cost a step: 1 or 4
// sequences of 256 cells, with idle ones below or above them in the buffer.
func BenchmarkIdleCells(b *testing.B) {
	const own, piece = 256, 1024
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, types := range [][2]KVType{{KVF16, KVF16}, {KVQ8, KVF16}} {
		c := newContext(b, ContextParams{Cells: 16384, Sequences: 32, Batch: 512, Outputs: 8, TypeK: types[0], TypeV: types[1]})
		var batch Batch
		read := func(seq SeqID, n int, cell int32) {
			for at := 0; at < n; at += 512 {
				batch.Reset()
				for i := at; i < min(at+512, n); i++ {
					batch.Add(Token(100+i%9000), Pos(i), seq)
					batch.Cells = append(batch.Cells, cell+int32(i))
				}
				if err := c.Step(&batch); err != nil {
					b.Fatal(err)
				}
			}
		}
		read(31, piece, 0)
		size, err := c.SeqSaveSize(31, 0, piece)
		if err != nil {
			b.Fatal(err)
		}
		data := make([]byte, size)
		if _, err := c.SeqSaveTo(data, 31, 0, piece); err != nil {
			b.Fatal(err)
		}
		for _, idle := range []int{0, 1024, 4096, 12288} {
			for _, place := range []string{"below", "above"} {
				_ = c.Clear()
				first, other := int32(idle), int32(0)
				if place == "above" {
					first, other = 0, 2048
				}
				for i := range idle / piece {
					if err := c.SeqLoadAt(SeqID(8+i), data, adjacent(other+int32(i*piece), piece)); err != nil {
						b.Fatal(err)
					}
				}
				at := func(seq SeqID) int32 { return first + int32(seq)*(own+8) }
				for seq := range SeqID(4) {
					read(seq, own, at(seq))
				}
				ReleaseThreads()
				for _, rows := range []int{1, 4} {
					b.Run(fmt.Sprintf("%s-%s/%d-%s/%d-rows", types[0], types[1], idle, place, rows), func(b *testing.B) {
						oneThread(b)
						for b.Loop() {
							batch.Reset()
							for seq := range SeqID(rows) {
								batch.Add(200, own, seq)
								batch.Cells = append(batch.Cells, at(seq)+own)
							}
							if err := c.Step(&batch); err != nil {
								b.Fatal(err)
							}
							for seq := range SeqID(rows) {
								_ = c.SeqRemove(seq, own, -1)
							}
						}
					})
				}
			}
		}
	}
}

// adjacent is n cells, one behind the other.
func adjacent(from int32, n int) []int32 {
	cells := make([]int32, n)
	for i := range cells {
		cells[i] = from + int32(i)
	}
	return cells
}

// BenchmarkRows is what a step of 1 … 512 rows of one sequence costs.
func BenchmarkRows(b *testing.B) {
	for _, rows := range []int{1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 512} {
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			oneThread(b)
			c := newContext(b, ContextParams{Cells: 1024, Batch: 512, Outputs: 8, TypeK: KVQ8, TypeV: KVF16})
			var batch Batch
			for b.Loop() {
				batch.Reset()
				for i := range rows {
					batch.Add(Token(100+i), Pos(i), 0)
				}
				if err := c.Step(&batch); err != nil {
					b.Fatal(err)
				}
				_ = c.SeqRemove(0, 0, -1)
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*rows), "ms/row")
		})
	}
}

// oneThread computes on one thread of the system, whose helpers end with the
// benchmark: those that other threads left behind would make these sleep.
func oneThread(b *testing.B) {
	b.Helper()
	runtime.LockOSThread()
	b.Cleanup(func() {
		ReleaseThreads()
		runtime.UnlockOSThread()
	})
}

// BenchmarkShapes is what it costs that steps of one row and of more follow each
// other: the library builds a graph anew when its shape is another than before.
func BenchmarkShapes(b *testing.B) {
	for _, shape := range [][]int{{1}, {2}, {1, 2}, {4}, {1, 4}, {1, 1, 1, 4}} {
		b.Run(fmt.Sprint(shape), func(b *testing.B) {
			oneThread(b)
			c := newContext(b, ContextParams{Cells: 1024, Batch: 64, Outputs: 8})
			s := newSampler(b, defaultModel(b), SamplingParams{})
			var batch Batch
			n, reused := 0, 0
			for b.Loop() {
				batch.Reset()
				for i := range shape[n%len(shape)] {
					batch.Add(Token(100+i), Pos(i), 0)
				}
				batch.Groups = append(batch.Groups[:0], Group{Sampler: s, Rows: shape[n%len(shape)]})
				if err := c.Step(&batch); err != nil {
					b.Fatal(err)
				}
				if batch.Reused {
					reused++
				}
				n++
				_ = c.SeqRemove(0, 0, -1)
			}
			b.ReportMetric(float64(reused)/float64(b.N), "reused")
		})
	}
}
