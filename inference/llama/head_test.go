package llama

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"repartee/synthetic"
)

var chain = synthetic.Chain{Seed: 7}

// onDevice has heads choose their tokens in the graph, as on a GPU.
var onDevice bool

// headed is a context of the chain's model with a head, two sequences and a place
// each for so many drafted rows.
func headed(tb testing.TB, model, head []byte, most int) (*Model, *Context, Head) {
	tb.Helper()
	m := chainModel(tb, model)
	c, err := m.NewContext(ContextParams{Cells: 256, Sequences: 4, Outputs: 24, Batch: 64, Ubatch: 64, Threads: 1, FlashAttn: 1})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	var own *Model
	if head != nil {
		own = chainModel(tb, head)
	}
	h, err := c.AttachHead(own, HeadParams{Most: most, Drafting: 4, OnDevice: onDevice})
	if err != nil {
		tb.Fatalf("AttachHead = %v", err)
	}
	return m, c, h
}

func chainModel(tb testing.TB, data []byte) *Model {
	tb.Helper()
	m, err := LoadModel(ModelParams{Path: writeFile(tb, data), GPULayers: tinyLayers, Heads: true})
	if err == ErrNotBuilt {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatalf("LoadModel = %v", err)
	}
	tb.Cleanup(m.Close)
	return m
}

// speaker answers in one sequence and keeps what its head guessed.
type speaker struct {
	tb                testing.TB
	c                 *Context
	s                 *Sampler
	seq               SeqID
	tokens            []Token
	filled            int // in memory
	drafted, accepted [16]int
	silent            int // steps without a guess
}

func (p *speaker) read(tokens ...Token) {
	p.tb.Helper()
	p.tokens = append(p.tokens, tokens...)
	var b Batch
	for i := p.filled; i < len(p.tokens); i++ {
		b.Add(p.tokens[i], Pos(i), p.seq)
	}
	b.Groups = []Group{{Sampler: p.s, First: len(b.Tokens) - 1, Rows: 1}}
	p.step(&b)
}

func (p *speaker) step(b *Batch) {
	p.tb.Helper()
	if err := p.c.Step(b); err != nil {
		p.tb.Fatalf("Step = %v", err)
	}
	if b.HeadLost {
		p.tb.Error("Step: the head is lost")
	}
	g := b.Groups[0]
	p.filled += len(b.Tokens) - (g.Rows - g.Accepted)
	for i := range g.Accepted {
		p.tokens = append(p.tokens, b.Out[g.First+i])
	}
}

// say goes on for n steps; change may spoil the guesses.
func (p *speaker) say(n, most int, change func(step int, guesses []Token) []Token) {
	p.tb.Helper()
	var d Draft
	for step := range n {
		d.Reset()
		last := p.tokens[len(p.tokens)-1]
		d.Add(p.seq, last, Pos(p.filled), most)
		if err := p.c.Draft(&d); err != nil {
			p.tb.Fatalf("Draft = %v", err)
		}
		guesses := slices.Clone(d.Tokens[0])
		if len(guesses) == 0 {
			p.silent++
		}
		if len(guesses) > most || len(d.Probs[0]) != len(guesses) {
			p.tb.Fatalf("Draft = %d guesses, %d probabilities, want at most %d of both", len(guesses), len(d.Probs[0]), most)
		}
		if change != nil {
			guesses = change(step, guesses)
		}
		var b Batch
		b.Add(last, Pos(p.filled), p.seq)
		for i, t := range guesses {
			b.Add(t, Pos(p.filled+1+i), p.seq)
		}
		b.Groups = []Group{{Sampler: p.s, Rows: len(b.Tokens)}}
		p.step(&b)
		for i := range guesses {
			p.drafted[i]++
			if i < b.Groups[0].Accepted-1 {
				p.accepted[i]++
			}
		}
	}
}

// check compares what was said with the language.
func (p *speaker) check(prompt int) {
	p.tb.Helper()
	for i := prompt; i < len(p.tokens); i++ {
		if want := Token(chain.Next(int(p.tokens[i-1]))); p.tokens[i] != want {
			p.tb.Fatalf("token %d is %d, want %d, which follows %d", i, p.tokens[i], want, p.tokens[i-1])
		}
	}
}

// TestHeadsGuess answers with every kind of head. Those that guess by token are right
// at every place; those that guess by the state before are right at the first, which
// they are only when each row's states reach the head with the right row.
func TestHeadsGuess(t *testing.T) {
	f := func(name string, kind HeadKind, model, head []byte, most, deep int) {
		t.Helper()
		t.Run(fmt.Sprintf("%s, on the device %v", name, onDevice), func(t *testing.T) {
			m, c, h := headed(t, model, head, most)
			if h.Kind != kind || h.Most > most || h.Most < 1 {
				t.Fatalf("AttachHead = %+v, want a %s head of at most %d", h, kind, most)
			}
			p := &speaker{tb: t, c: c, s: newSampler(t, m, SamplingParams{Logprobs: -1}), seq: 1}
			p.read(10, 20, 30)
			p.say(12, h.Most, nil)
			p.check(3)
			for i := range h.Most {
				want := 0
				if i < deep {
					want = p.drafted[i]
				}
				if p.drafted[i] != 12 || p.accepted[i] != want {
					t.Errorf("guess %d: %d of %d are right, want %d of 12", i, p.accepted[i], p.drafted[i], want)
				}
			}
			if kind.Block() != (kind == DFlash) {
				t.Errorf("%s.Block() = %v", kind, kind.Block())
			}
		})
	}
	defer func() { onDevice = false }()
	for _, onDevice = range []bool{false, true} {
		f("EAGLE-3 by token", EAGLE3, chain.Model(), chain.EAGLE3(synthetic.ByToken), 4, 4)
		f("EAGLE-3 by state", EAGLE3, chain.Model(), chain.EAGLE3(synthetic.ByState), 4, 1)
		f("MTP by token", MTP, chain.MTP(synthetic.ByToken), nil, 4, 4)
		f("MTP by state", MTP, chain.MTP(synthetic.ByState), nil, 4, 1)
		f("DFlash", DFlash, chain.Model(), chain.DFlash(4), 8, 1)
	}
}

// TestHeadsSurviveWhatHappensToSequences has heads guess on while sequences are taken
// over, cut, spoiled by wrong guesses, left unread, loaded and cleared: the first guess
// stays right, but for the one step that has to be read first.
func TestHeadsSurviveWhatHappensToSequences(t *testing.T) {
	f := func(name string, model, head []byte) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			m, c, h := headed(t, model, head, 3)
			n := 0
			speak := func(what string, seq SeqID, silent int, begin func(p *speaker)) *speaker {
				t.Helper()
				n++
				p := &speaker{tb: t, c: c, s: newSampler(t, m, SamplingParams{Logprobs: -1}), seq: seq}
				begin(p)
				prompt := len(p.tokens)
				p.say(6, h.Most, nil)
				p.check(prompt)
				if p.silent != silent || p.accepted[0] != p.drafted[0] {
					t.Errorf("%s: %d of %d first guesses are right and %d steps without, want all and %d", what, p.accepted[0], p.drafted[0], p.silent, silent)
				}
				return p
			}
			long := []Token{10, 20, 30, 40, 50, 60, 70, 80}
			first := speak("a prompt", 0, 0, func(p *speaker) { p.read(long...) })
			take := func(n int) func(p *speaker) {
				return func(p *speaker) {
					if err := c.SeqCopy(0, p.seq, 0, Pos(n)); err != nil {
						t.Fatal(err)
					}
					p.tokens, p.filled = slices.Clone(first.tokens[:n]), n
					p.read(99, 100)
				}
			}
			speak("the beginning of a sequence", 1, 0, take(5))
			speak("all of a sequence", 2, 0, take(first.filled))
			speak("a cut sequence", 1, 0, func(p *speaker) {
				if err := c.SeqRemove(1, 3, -1); err != nil {
					t.Fatal(err)
				}
				p.tokens, p.filled = slices.Clone(first.tokens[:3]), 3
				p.read(77)
			})
			speak("a sequence that copies spoiled", 2, 0, func(p *speaker) {
				if err := c.SeqRemove(2, 0, -1); err != nil {
					t.Fatal(err)
				}
				p.read(long...)
				p.say(4, 3, func(step int, guesses []Token) []Token { return []Token{guesses[0], 5, 5}[:1+step%3] })
				p.silent, p.drafted, p.accepted = 0, [16]int{}, [16]int{}
			})
			speak("a sequence that was not followed", 3, 0, func(p *speaker) {
				p.read(long...)
				c.FollowHead(false)
				p.say(3, 3, nil)
				if p.silent != 3 {
					t.Errorf("%d of 3 steps without guesses while the head does not follow", p.silent)
				}
				c.FollowHead(true)
				p.say(1, 3, nil) // reads where it is
				p.silent, p.drafted, p.accepted = 0, [16]int{}, [16]int{}
			})
			saved, err := c.SeqSave(0)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Clear(); err != nil {
				t.Fatal(err)
			}
			speak("a loaded sequence", 1, 0, func(p *speaker) {
				if err := c.SeqLoad(1, saved); err != nil {
					t.Fatal(err)
				}
				p.tokens, p.filled = slices.Clone(first.tokens), first.filled
				p.read(55, 56)
			})
		})
	}
	f("EAGLE-3", chain.Model(), chain.EAGLE3(synthetic.ByState))
	f("MTP", chain.MTP(synthetic.ByState), nil)
	f("DFlash", chain.Model(), chain.DFlash(4))
}

// TestADraftThatNoStepFollowed asks several times between two steps.
func TestADraftThatNoStepFollowed(t *testing.T) {
	f := func(name string, model, head []byte) {
		t.Helper()
		m, c, h := headed(t, model, head, 3)
		p := &speaker{tb: t, c: c, s: newSampler(t, m, SamplingParams{Logprobs: -1}), seq: 1}
		p.read(10, 20, 30)
		var first []Token
		for again := range 3 {
			var d Draft
			d.Add(1, p.tokens[len(p.tokens)-1], Pos(p.filled), h.Most)
			if err := c.Draft(&d); err != nil {
				t.Fatalf("%s: Draft = %v", name, err)
			}
			if again == 0 {
				first = slices.Clone(d.Tokens[0])
			}
			if len(first) != h.Most || !slices.Equal(d.Tokens[0], first) {
				t.Errorf("%s: draft %d is %v, want the %d guesses %v", name, again, d.Tokens[0], h.Most, first)
			}
		}
	}
	f("EAGLE-3", chain.Model(), chain.EAGLE3(synthetic.ByToken))
	f("MTP", chain.MTP(synthetic.ByToken), nil)
	f("DFlash", chain.Model(), chain.DFlash(4))
}

// TestHeadsOfOthersAreRefused attaches what does not fit.
func TestHeadsOfOthersAreRefused(t *testing.T) {
	f := func(name string, model, head []byte, p HeadParams, kind error, why string) {
		t.Helper()
		m := chainModel(t, model)
		c, err := m.NewContext(ContextParams{Cells: 256, Sequences: 2, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		var own *Model
		if head != nil {
			own = chainModel(t, head)
		}
		if _, err = c.AttachHead(own, p); !errors.Is(err, kind) || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: AttachHead = %v, want %v: %q", name, err, kind, why)
		}
		s := newSampler(t, m, SamplingParams{Logprobs: -1})
		var b Batch
		b.Groups = []Group{{Sampler: s, First: b.Add(9, 0, 0), Rows: 1}}
		if err := c.Step(&b); err != nil {
			t.Errorf("%s: Step behind the refusal = %v", name, err)
		}
	}
	eagle := chain.EAGLE3(synthetic.ByToken)
	f("a model", chain.Model(), chain.Model(), HeadParams{}, ErrUnsupported, "no draft head of the architecture llama")
	f("no layers of its own", chain.Model(), nil, HeadParams{}, ErrUnsupported, "no draft head of the architecture llama")
	f("a narrower model", tiny32(), eagle, HeadParams{}, ErrUnsupported, "width of the states")
	f("another architecture", chain.MTP(synthetic.ByToken), eagle, HeadParams{}, ErrUnsupported, "hidden states of models of the architecture glm4moe")
	f("layers of another architecture", chain.Model(), chain.MTP(synthetic.ByToken), HeadParams{}, ErrUnsupported, "the head is of the architecture glm4moe")
	// Three layers of which the last names the states behind the model's two.
	f("states behind the last layer", chain.Model(), synthetic.Chain{Seed: 7, Layers: 3}.EAGLE3(synthetic.ByToken), HeadParams{}, ErrUnsupported, "hidden states of models of the architecture llama")
	f("too many guesses", chain.Model(), eagle, HeadParams{Most: 65}, ErrArgument, "drafts of 65 tokens")
	f("a token that is not there", chain.Model(), chain.EAGLE3With([]int64{5, 6, 1 << 40}), HeadParams{}, ErrUnsupported, "token 2 of the head stands for 1099511627776")
	f("a layer that is not there", chain.Model(), synthetic.Chain{Seed: 7, Layers: 4}.EAGLE3(synthetic.ByToken), HeadParams{}, ErrUnsupported, "reads layer 3, the model has 2")
}

// tiny32 is a model of half the chain's width with its vocabulary.
func tiny32() []byte {
	s := tiny
	s.width = 32
	return s.bytes()
}
