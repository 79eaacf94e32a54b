package llama

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSaveAndRestore(t *testing.T) {
	m := defaultModel(t)
	p := prompt(t, m, "Name a colour.")
	f := func(params ContextParams) {
		t.Helper()
		a, b := newContext(t, params), newContext(t, params)
		want := generate(t, a, newSampler(t, m, SamplingParams{}), 2, p, 512, 8)
		if err := a.SeqRemove(2, Pos(len(p)-1), -1); err != nil {
			t.Fatal(err)
		}
		data, err := a.SeqSave(2)
		if err != nil {
			t.Fatalf("SeqSave = %v", err)
		}
		if err := b.SeqLoad(5, data); err != nil {
			t.Fatalf("SeqLoad = %v", err)
		}
		got := generate(t, b, newSampler(t, m, SamplingParams{}), 5, p[len(p)-1:], 512, 8)
		if !slices.Equal(got, want) {
			t.Errorf("%s/%s: restored: %q, want %q", params.TypeK, params.TypeV, text(m, got), text(m, want))
		}
	}
	f(ContextParams{})
	f(ContextParams{TypeK: KVQ8, TypeV: KVF16})
}

func TestDamagedStateIsRefused(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{})
	generate(t, c, newSampler(t, m, SamplingParams{}), 0, prompt(t, m, "Hi"), 512, 1)
	data, err := c.SeqSave(0)
	if err != nil {
		t.Fatal(err)
	}
	end := c.SeqPosMax(0)
	f := func(name string, d []byte) {
		t.Helper()
		if err := c.SeqLoad(0, d); !errors.Is(err, ErrState) {
			t.Errorf("SeqLoad(%s) = %v, want ErrState", name, err)
		}
		if got := c.SeqPosMax(0); got != end {
			t.Errorf("SeqLoad(%s) left the sequence at %d, want it as it was, %d", name, got, end)
		}
	}
	f("nothing", nil)
	for _, n := range []int{1, stateHeader - 1, stateHeader, stateHeader + 1, len(data) / 2, len(data) - 1} {
		f("cut short", data[:n])
	}
	for at := range 200 {
		d := slices.Clone(data)
		d[at] ^= 0x10
		f("a changed byte", d)
	}
	f("more", append(slices.Clone(data), 0))

	other := newContext(t, ContextParams{TypeK: KVQ8})
	if err := other.SeqLoad(0, data); !errors.Is(err, ErrState) {
		t.Errorf("SeqLoad into other KV types = %v, want ErrState", err)
	}
	if err := other.SeqLoadAt(0, data, nil); !errors.Is(err, ErrState) {
		t.Errorf("SeqLoadAt into other KV types = %v, want ErrState", err)
	}
	if _, err := c.SeqSave(7); !errors.Is(err, ErrArgument) {
		t.Errorf("SeqSave(empty) = %v, want ErrArgument", err)
	}
	small := newContext(t, ContextParams{Cells: 256})
	room := int(c.SeqPosMax(0)) + 1
	var b Batch
	for i := range 256 - room + 1 {
		b.Add(100, Pos(i), 1)
	}
	if err := small.Step(&b); err != nil {
		t.Fatal(err)
	}
	if err := small.SeqLoad(0, data); !errors.Is(err, ErrNoCells) || small.SeqPosMax(0) != -1 {
		t.Errorf("SeqLoad without room = %v, ends at %d; want ErrNoCells and an empty sequence", err, small.SeqPosMax(0))
	}
}

// spread gives n free cells with holes between them, the first at from.
func spread(from int32, n int) []int32 {
	cells := make([]int32, n)
	for i := range cells {
		cells[i] = from + int32(i) + int32(i/3)
	}
	return cells
}

// TestPieces saves a sequence in pieces of odd lengths and loads them into cells
// of choice, of another context, beside another sequence.
func TestPieces(t *testing.T) {
	m := defaultModel(t)
	p := prompt(t, m, "Name three colours and say where one finds them.")
	a := newContext(t, ContextParams{TypeK: KVQ8})
	want := generate(t, a, newSampler(t, m, SamplingParams{}), 2, p, 512, 16)
	if err := a.SeqRemove(2, Pos(len(p)-1), -1); err != nil {
		t.Fatal(err)
	}
	var pieces [][]byte
	for at := Pos(0); at < Pos(len(p)-1); at += 7 {
		to := min(at+7, Pos(len(p)-1))
		n, err := a.SeqSaveSize(2, at, to)
		if err != nil {
			t.Fatalf("SeqSaveSize(%d, %d) = %v", at, to, err)
		}
		if _, err := a.SeqSaveTo(make([]byte, n-1), 2, at, to); !errors.Is(err, ErrArgument) {
			t.Errorf("SeqSaveTo with a byte too few = %v, want ErrArgument", err)
		}
		buf := make([]byte, n+10)
		got, err := a.SeqSaveTo(buf, 2, at, to)
		if err != nil || got != n {
			t.Fatalf("SeqSaveTo(%d, %d) = %d, %v, want %d", at, to, got, err, n)
		}
		if p0, p1, err := a.StateRange(buf[:n]); p0 != at || p1 != to || err != nil {
			t.Errorf("StateRange = %d, %d, %v, want %d, %d", p0, p1, err, at, to)
		}
		pieces = append(pieces, buf[:n])
	}

	b := newContext(t, ContextParams{TypeK: KVQ8, Ordered: true})
	var beside Batch
	for i := range 20 {
		beside.Add(500, Pos(i), 0)
		beside.Cells = append(beside.Cells, int32(300+i))
	}
	if err := b.Step(&beside); err != nil {
		t.Fatal(err)
	}
	f := func(name string, data []byte, cells []int32, want error) {
		t.Helper()
		end := b.SeqPosMax(5)
		if err := b.SeqLoadAt(5, data, cells); !errors.Is(err, want) {
			t.Errorf("%s: SeqLoadAt = %v, want %v", name, err, want)
		}
		if got := b.SeqPosMax(5); got != end {
			t.Errorf("%s: the sequence ends at %d, want it as it was, %d", name, got, end)
		}
	}
	f("cells of the library's choice", pieces[0], nil, ErrArgument)
	f("the second piece first", pieces[1], spread(0, 7), ErrArgument)
	f("too few cells", pieces[0], spread(0, 6), ErrArgument)
	f("descending cells", pieces[0], []int32{6, 5, 4, 3, 2, 1, 0}, ErrArgument)
	f("cells in use", pieces[0], spread(295, 7), ErrArgument)
	f("a cell twice", pieces[0], []int32{0, 1, 2, 3, 4, 5, 5}, ErrArgument)
	f("cells out of range", pieces[0], spread(1<<20, 7), ErrArgument)
	f("a negative cell", pieces[0], spread(-1, 7), ErrArgument)
	f("half a piece", pieces[0][:200], spread(0, 7), ErrState)
	var laid []int32
	for i, piece := range pieces {
		p0, p1, err := b.StateRange(piece)
		if err != nil {
			t.Fatal(err)
		}
		cells := spread(int32(10+20*i), int(p1-p0))
		laid = append(laid, cells...)
		if err := b.SeqLoadAt(5, piece, cells); err != nil {
			t.Fatalf("SeqLoadAt(piece %d) = %v", i, err)
		}
		if i == 1 {
			f("the same piece again", piece, spread(400, int(p1-p0)), ErrArgument)
			f("below the cells before", pieces[2], spread(0, 7), ErrArgument)
		}
	}
	is := func(want []int32) {
		t.Helper()
		if got, err := b.SeqCells(nil, 5, 0, -1); err != nil || !slices.Equal(got, want) {
			t.Errorf("SeqCells = %v, %v, want %v", got, err, want)
		}
	}
	is(laid)

	if err := b.SeqMove(5, 3, spread(298, len(laid)-3)); !errors.Is(err, ErrArgument) {
		t.Errorf("SeqMove into cells in use = %v, want ErrArgument", err)
	}
	if err := b.SeqMove(5, 3, spread(20, len(laid)-4)); !errors.Is(err, ErrArgument) {
		t.Errorf("SeqMove with too few cells = %v, want ErrArgument", err)
	}
	is(laid)
	near := laid[:3:3] // its own cells may be among the new ones
	for i := range len(laid) - 3 {
		near = append(near, laid[2]+1+int32(i))
	}
	if err := b.SeqMove(5, 3, near[3:]); err != nil {
		t.Fatalf("SeqMove = %v", err)
	}
	is(near)

	got := generateAt(t, b, newSampler(t, m, SamplingParams{}), 5, p[len(p)-1], 500, 16)
	if !slices.Equal(got, want) {
		t.Errorf("from pieces: %q, want %q", text(m, got), text(m, want))
	}
}

// TestRunMove moves what two sequences share: both go on as if nothing had happened.
func TestRunMove(t *testing.T) {
	m := defaultModel(t)
	p := prompt(t, m, "Name three colours and say where one finds them.")
	n := len(p) - 1
	c := newContext(t, ContextParams{TypeK: KVQ8, Ordered: true})
	read := func(seq SeqID, tokens []Token, at Pos, cells []int32) {
		t.Helper()
		var b Batch
		for i, tok := range tokens {
			b.Add(tok, at+Pos(i), seq)
		}
		b.Cells = cells
		if err := c.Step(&b); err != nil {
			t.Fatal(err)
		}
	}
	read(0, p[:n], 0, spread(200, n))
	for _, seq := range []SeqID{1, 2} {
		if err := c.SeqCopy(0, seq, 0, Pos(n)); err != nil {
			t.Fatal(err)
		}
	}
	goOn := func(seq SeqID, first int32) []Token {
		return generateAt(t, c, newSampler(t, m, SamplingParams{}), seq, p[n], first, 12)
	}
	want := goOn(0, 400)
	for _, seq := range []SeqID{0, 1} { // 1 holds a token of its own behind the run
		if err := c.SeqRemove(seq, Pos(n), -1); err != nil {
			t.Fatal(err)
		}
	}
	read(1, p[n:], Pos(n), []int32{420})
	read(3, []Token{500}, 0, []int32{12})

	f := func(name string, p0 Pos, cells []int32) {
		t.Helper()
		if err := c.RunMove(1, p0, cells); !errors.Is(err, ErrArgument) {
			t.Errorf("RunMove %s = %v, want ErrArgument", name, err)
		}
	}
	f("upwards", 0, spread(201, n))
	f("into a cell in use", 0, spread(10, n))
	f("descending", 0, []int32{20, 19})
	f("below what comes before", 5, []int32{20, 21})
	f("beyond the end", 0, spread(20, n+2))
	f("out of range", 0, []int32{-1})
	f("of what all hold and what one holds", Pos(n-1), []int32{int32(200 + n - 1), int32(200 + n)})

	low := spread(20, n)
	if err := c.RunMove(1, 0, low); err != nil {
		t.Fatalf("RunMove = %v", err)
	}
	dense := append([]int32(nil), low[:5]...)
	for i := range int32(n - 5) { // a part, onto some of its own cells
		dense = append(dense, low[4]+1+i)
	}
	if err := c.RunMove(2, 5, dense[5:]); err != nil {
		t.Fatalf("RunMove of a part = %v", err)
	}
	for _, seq := range []SeqID{0, 1, 2} {
		if got, err := c.SeqCells(nil, seq, 0, Pos(n)); err != nil || !slices.Equal(got, dense) {
			t.Errorf("sequence %d lies in %v, %v, want %v", seq, got, err, dense)
		}
	}
	if got, err := c.SeqCells(nil, 1, Pos(n), -1); err != nil || !slices.Equal(got, []int32{420}) {
		t.Errorf("what stood behind the run lies in %v, %v, want 420", got, err)
	}
	if err := c.SeqRemove(1, Pos(n), -1); err != nil {
		t.Fatal(err)
	}
	for i, seq := range []SeqID{0, 1, 2} {
		if got := goOn(seq, int32(100+100*i)); !slices.Equal(got, want) {
			t.Errorf("sequence %d goes on with %q, want %q", seq, text(m, got), text(m, want))
		}
	}
}

// generateAt goes on from a token, laying rows into cells from first on.
func generateAt(tb testing.TB, c *Context, s *Sampler, seq SeqID, tok Token, first int32, n int) (out []Token) {
	tb.Helper()
	var b Batch
	for len(out) < n {
		b.Reset()
		b.Add(tok, c.SeqPosMax(seq)+1, seq)
		b.Cells = append(b.Cells, first)
		b.Groups = append(b.Groups, Group{Sampler: s, Rows: 1})
		if err := c.Step(&b); err != nil {
			tb.Fatalf("Step = %v", err)
		}
		tok, first = b.Out[0], first+1
		if out = append(out, tok); defaultModel(tb).IsEOG(tok) {
			break
		}
	}
	return out
}

// FuzzState changes bytes of a saved piece, with its checksums made right again,
// so that the library itself must refuse what makes no sense: never an assertion,
// and never a cell lost.
func FuzzState(f *testing.F) {
	m, err := LoadModel(ModelParams{Path: writeFile(f, tiny.bytes())})
	if errors.Is(err, ErrNotBuilt) {
		f.Skip(err)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(m.Close)
	c, err := m.NewContext(ContextParams{Cells: 256, Sequences: 2, Threads: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(c.Close)
	var b Batch
	for i := range 5 {
		b.Add(Token(4+i), Pos(i), 0)
	}
	if err := c.Step(&b); err != nil {
		f.Fatal(err)
	}
	good, err := c.SeqSave(0)
	if err != nil {
		f.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		f.Add(rng.Uint32()%400, byte(rng.Uint32()), rng.Uint32()%uint32(len(good)), rng.Uint32()%3 == 0)
	}
	f.Fuzz(func(t *testing.T, at uint32, x byte, length uint32, cells bool) {
		data := slices.Clone(good)
		if length > stateHeader && int(length) < len(data) && x%2 == 0 {
			data = data[:length]
		}
		if n := uint32(len(data)); n > stateHeader {
			data[stateHeader+at%(n-stateHeader)] ^= x
		}
		seal(c, data, 0, 5)
		var to []int32
		if cells {
			to = spread(int32(100+at%100), 5)
		}
		err := c.SeqLoadAt(1, data, to)
		if err != nil && !errors.Is(err, ErrState) {
			t.Fatalf("SeqLoadAt = %v, want ErrState", err)
		}
		if end := c.SeqPosMax(1); err != nil && end != -1 || err == nil && end != 4 {
			t.Fatalf("SeqLoadAt = %v leaves the sequence at %d", err, end)
		}
		if err := c.SeqRemove(1, 0, -1); err != nil {
			t.Fatal(err)
		}
		b.Reset() // every cell but the five is free again
		for i := range 251 {
			b.Add(4, Pos(i), 1)
			b.Cells = append(b.Cells, int32(5+i))
		}
		if err := c.Step(&b); err != nil {
			t.Fatalf("a step afterwards = %v", err)
		}
		if err := c.SeqRemove(1, 0, -1); err != nil {
			t.Fatal(err)
		}
	})
}
