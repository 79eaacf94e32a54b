package inference

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"sync"

	"repartee/inference/llama"
)

// fakeModel is a language model whose next token is a hash of every token
// attended to, with its position: a wrong cell, position or stale prefix
// changes the text. Its vocabulary is bytes: token 0 ends a generation,
// 1 … 255 are the characters themselves.
type fakeModel struct {
	vocab int
	eog   bool // token 0 may be generated
	copy  int  // > 0: most tokens repeat the one so many before
	train int  // the most tokens of a sequence; 0 = no end
	wrong int  // a draft model's: one token in so many is another than next says; 0 = none
}

func (m *fakeModel) Info() llama.ModelInfo {
	return llama.ModelInfo{Name: "fake", VocabSize: 256, ContextTrain: cmp.Or(m.train, 1<<20), EOS: 0, EOG: []Token{0}}
}

func (m *fakeModel) Tokenize(dst []Token, text string, _, _ bool) ([]Token, error) {
	for _, b := range []byte(text) {
		dst = append(dst, Token(b))
	}
	return dst, nil
}

var fakePieces = func() (p [256][]byte) {
	for i := 1; i < 256; i++ {
		p[i] = []byte{byte(i)}
	}
	return p
}()

func (m *fakeModel) Piece(t Token, _ bool) []byte { return fakePieces[t] }
func (m *fakeModel) IsEOG(t Token) bool           { return t == 0 }
func (m *fakeModel) Render(llama.TemplateInput) (llama.Rendered, error) {
	return llama.Rendered{}, llama.ErrTemplate
}
func (m *fakeModel) ParseOutput(llama.Rendered, string, bool) (llama.ParsedOutput, error) {
	return llama.ParsedOutput{}, llama.ErrTemplate
}
func (m *fakeModel) CompileGrammar(llama.GrammarSpec, llama.Budget) (*llama.Grammar, error) {
	return nil, llama.ErrGrammar
}
func (m *fakeModel) NewSampler(llama.SamplingParams) (*llama.Sampler, error) { return nil, nil }

// next is the token that follows what is attended to.
func (m *fakeModel) next(attended []Token) Token {
	h := fnv.New64a()
	var b [4]byte
	for _, t := range attended {
		binary.LittleEndian.PutUint32(b[:], uint32(t))
		h.Write(b[:])
	}
	v := h.Sum64()
	if m.copy > 0 && len(attended) >= m.copy && v%7 != 0 {
		return attended[len(attended)-m.copy]
	}
	if m.eog && v%97 == 0 {
		return 0
	}
	return Token('a' + v>>8%uint64(m.vocab))
}

// guess is next, but for a draft model's mistakes.
func (m *fakeModel) guess(attended []Token) Token {
	t := m.next(attended)
	if m.wrong > 0 && len(attended)*7919%m.wrong == int(t)%m.wrong {
		return 'a' + (t+1)%26
	}
	return t
}

// generate is the answer that a prompt must get, alone or in company.
func (m *fakeModel) generate(prompt []Token, n int) string {
	seq := append([]Token{}, prompt...)
	var out []byte
	for range n {
		t := m.next(seq)
		if t == 0 {
			break
		}
		seq, out = append(seq, t), append(out, byte(t))
	}
	return string(out)
}

// fakeContext keeps the cells of the fake model as llama.cpp does: tokens with
// positions, seen by sets of sequences.
type fakeContext struct {
	model *fakeModel
	cells []fakeCell
	steps int
	rows  int
	most  int           // rows of the largest step
	gate  chan struct{} // when set, every step takes one value first
	fail  func(step int) error
	draw  func(attended []Token) Token // a sampler; nil = the model's next token
	head  *fakeModel                   // guesses for Draft; nil = there is none
	blind map[llama.SeqID]bool         // sequences that went on while the head did not follow
	off   bool                         // it does not follow
	lose  func(step int) bool          // it cannot read a step; nil = it always can

	mu     sync.Mutex
	closed bool
}

type fakeCell struct {
	token Token
	pos   llama.Pos
	seqs  map[llama.SeqID]bool
}

func newFakeContext(m *fakeModel, cells int) *fakeContext {
	c := &fakeContext{model: m, cells: make([]fakeCell, cells)}
	_ = c.Clear() // cannot fail
	return c
}

func (c *fakeContext) Clear() error {
	for i := range c.cells {
		c.cells[i].seqs = map[llama.SeqID]bool{}
	}
	return nil
}

func (c *fakeContext) Step(b *llama.Batch) error {
	if c.gate != nil {
		<-c.gate
	}
	c.steps++
	if c.fail != nil {
		if err := c.fail(c.steps); err != nil {
			return err
		}
	}
	c.rows += len(b.Tokens)
	c.most = max(c.most, len(b.Tokens))
	if len(b.Cells) != len(b.Tokens) {
		return fmt.Errorf("%d cells for %d rows", len(b.Cells), len(b.Tokens))
	}
	for i, tok := range b.Tokens {
		at := b.Cells[i]
		if len(c.cells[at].seqs) > 0 {
			return fmt.Errorf("row %d: cell %d is in use", i, at)
		}
		if got := len(c.read(b.Seq[i])); got != int(b.Pos[i]) {
			return fmt.Errorf("row %d is at position %d, its sequence holds %d tokens", i, b.Pos[i], got)
		}
		c.cells[at] = fakeCell{tok, b.Pos[i], map[llama.SeqID]bool{b.Seq[i]: true}}
	}
	for _, seq := range b.Seq {
		if c.blind != nil {
			c.blind[seq] = c.off
		}
	}
	b.HeadMicros, b.HeadLost = 0, false
	if c.head != nil && !c.off {
		b.HeadMicros, b.HeadLost = 20, c.lose != nil && c.lose(c.steps)
	}
	b.Out = append(b.Out[:0], make([]Token, len(b.Tokens))...)
	for g := range b.Groups {
		group := &b.Groups[g]
		seen := c.read(b.Seq[group.First])
		for k := 0; ; k++ {
			row := group.First + k
			b.Out[row] = c.model.guess(seen[:b.Pos[row]+1])
			if c.draw != nil {
				b.Out[row] = c.draw(seen[:b.Pos[row]+1])
			}
			group.Accepted = k + 1
			if k+1 >= group.Rows || b.Out[row] != b.Tokens[row+1] {
				break
			}
		}
	}
	return nil
}

// read returns a sequence's tokens in position order.
func (c *fakeContext) read(seq llama.SeqID) []Token {
	n := 0
	for i := range c.cells {
		if c.cells[i].seqs[seq] {
			n++
		}
	}
	out := make([]Token, n)
	for i := range c.cells {
		if c.cells[i].seqs[seq] {
			out[c.cells[i].pos] = c.cells[i].token // out of range = a hole = a test failure
		}
	}
	return out
}

func (c *fakeContext) SeqCopy(src, dst llama.SeqID, p0, p1 llama.Pos) error {
	for i := range c.cells {
		if cell := &c.cells[i]; cell.seqs[src] && cell.pos >= p0 && (p1 < 0 || cell.pos < p1) {
			cell.seqs[dst] = true
		}
	}
	return nil
}

func (c *fakeContext) SeqRemove(seq llama.SeqID, p0, p1 llama.Pos) error {
	for i := range c.cells {
		if cell := &c.cells[i]; cell.seqs[seq] && cell.pos >= p0 && (p1 < 0 || cell.pos < p1) {
			delete(cell.seqs, seq)
		}
	}
	return nil
}

func (c *fakeContext) SeqMove(seq llama.SeqID, p0 llama.Pos, cells []int32) error {
	tokens := c.read(seq)
	if len(tokens)-int(p0) != len(cells) {
		return fmt.Errorf("moving %d … %d into %d cells", p0, len(tokens), len(cells))
	}
	_ = c.SeqRemove(seq, p0, -1) // cannot fail
	for i, at := range cells {
		if len(c.cells[at].seqs) > 0 {
			return fmt.Errorf("cell %d is in use", at)
		}
		c.cells[at] = fakeCell{tokens[int(p0)+i], p0 + llama.Pos(i), map[llama.SeqID]bool{seq: true}}
	}
	return nil
}

func (c *fakeContext) RunMove(seq llama.SeqID, p0 llama.Pos, cells []int32) error {
	up := make([]fakeCell, len(cells))
	for i := range c.cells {
		if cell := &c.cells[i]; cell.seqs[seq] && cell.pos >= p0 && int(cell.pos-p0) < len(cells) {
			up[cell.pos-p0], *cell = *cell, fakeCell{}
		}
	}
	for k, at := range cells {
		if len(up[k].seqs) == 0 || len(c.cells[at].seqs) > 0 {
			return fmt.Errorf("position %d of sequence %d cannot go to cell %d", int(p0)+k, seq, at)
		}
		c.cells[at] = up[k]
	}
	return nil
}

func (c *fakeContext) FollowHead(on bool) { c.off = !on }

// Draft guesses as the head's model says, and checks that it is asked for what comes
// behind the sequence.
func (c *fakeContext) Draft(d *llama.Draft) error {
	d.Tokens, d.Probs = d.Tokens[:0], d.Probs[:0]
	for i, seq := range d.Seq {
		seen := c.read(seq)
		if len(seen) != int(d.Pos[i]) {
			return fmt.Errorf("draft at position %d of a sequence of %d tokens", d.Pos[i], len(seen))
		}
		var guesses []Token
		var probs []float32
		for seen = append(seen, d.Last[i]); len(guesses) < int(d.Most[i]) && !c.off && !c.blind[seq]; seen = append(seen, guesses[len(guesses)-1]) {
			guesses, probs = append(guesses, c.head.guess(seen)), append(probs, 0.9)
		}
		d.Tokens, d.Probs = append(d.Tokens, guesses), append(d.Probs, probs)
	}
	return nil
}

func (c *fakeContext) SetThreads(int, int) error { return nil }
func (c *fakeContext) Abort()                    {}
func (c *fakeContext) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}
