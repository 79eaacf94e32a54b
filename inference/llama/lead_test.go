package llama

import (
	"slices"
	"testing"
)

// TestFirstBytesDecideNothingElse samples under grammars, hot enough to wander over all
// that they take, with and without leaving out tokens by their first byte.
func TestFirstBytesDecideNothingElse(t *testing.T) {
	m := defaultModel(t)
	c := newContext(t, ContextParams{Cells: 256, Sequences: 8, Outputs: 8})
	schema, err := SchemaToGrammar(peopleSchema)
	if err != nil {
		t.Fatal(err)
	}
	for _, gbnf := range []string{
		schema,
		`root ::= [^a-z ]+`,
		`root ::= ("\u65e5\u672c" | "\u00e9" | [\u03b1-\u03c9] | [\U0001F600-\U0001F64F] | [^\x00-\x7f])+`,
		`root ::= ("a" | "ab" . | [0-9] [^0-9] | "\n")* "."`,
		`root ::= ("yes" | "no") " "? "\u00fc"?`,
	} {
		g, err := m.CompileGrammar(GrammarSpec{GBNF: gbnf}, Budget{})
		if err != nil {
			t.Fatalf("%s: %v", gbnf, err)
		}
		defer g.Close()
		params := []SamplingParams{{}, {Temperature: 1e5, Seed: 1}, {Temperature: 1e5, Seed: 2, TopK: 40}, {Temperature: 1, TopK: 40, TopP: 0.95, Seed: 3}}
		var out [2][][]Token
		for i := range out { // 1: every token is asked about
			if err := c.Clear(); err != nil {
				t.Fatal(err)
			}
			out[i] = make([][]Token, len(params))
			samplers := make([]*Sampler, len(params))
			var b Batch
			for seq, p := range params {
				p.Grammar = g
				samplers[seq] = newSampler(t, m, p)
				if i == 1 {
					samplers[seq].askAll()
				}
				out[i][seq] = []Token{Token(500 + seq)}
			}
			for pos := range Pos(16) {
				b.Reset()
				b.Groups = b.Groups[:0]
				for seq := range params {
					if last := out[i][seq][len(out[i][seq])-1]; !m.IsEOG(last) {
						b.Add(last, pos, SeqID(seq))
						b.Groups = append(b.Groups, Group{Sampler: samplers[seq], First: len(b.Tokens) - 1, Rows: 1})
					}
				}
				if len(b.Tokens) == 0 {
					break
				}
				if err := c.Step(&b); err != nil {
					t.Fatal(err)
				}
				for _, gr := range b.Groups {
					if gr.Err != nil {
						t.Fatalf("%s: %v", gbnf, gr.Err)
					}
					seq := b.Seq[gr.First]
					out[i][seq] = append(out[i][seq], b.Out[gr.First])
				}
			}
		}
		for seq, p := range params {
			if !slices.Equal(out[0][seq], out[1][seq]) {
				t.Errorf("%s, %+v:\n got %q\nwant %q", gbnf, p, text(m, out[0][seq]), text(m, out[1][seq]))
			}
		}
	}
}
