package inference

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// lose is what is left of a conversation that has outgrown its context, in the
// simplest words: it is kept as its head, turns, and the answer behind the last one.
func lose(text []Token, head int, turns []int, answer, size int) (left []Token, newTurns []int, newAnswer int) {
	behind := len(text) - head
	cut := -1
	for _, b := range turns {
		if b > head && b >= head+behind/4 && (cut < 0 || cut < head+behind/2) {
			cut = b
		}
	}
	keepQuestion := false
	if cut < 0 && len(turns) > 0 {
		q := turns[len(turns)-1]
		keepQuestion = head+answer-q <= size/2 && len(text)-answer > 1
		cut = q
	}
	if !keepQuestion && cut < 0 || !keepQuestion && len(turns) > 0 && !slices.ContainsFunc(turns, func(b int) bool { return b == cut && b > head && b >= head+behind/4 }) {
		cut = head + behind/2
	}
	stays := func(i int) bool {
		switch {
		case i < head:
			return true
		case i < cut:
			return false
		case keepQuestion && i >= answer && i < answer+(len(text)-answer)/2:
			return false
		}
		return true
	}
	newAnswer = -1
	for i, tok := range text {
		if i >= answer && newAnswer < 0 && (stays(i) || keepQuestion) {
			newAnswer = len(left)
		}
		if !stays(i) {
			continue
		}
		if slices.Contains(turns, i) {
			newTurns = append(newTurns, len(left))
		}
		left = append(left, tok)
	}
	return left, newTurns, newAnswer
}

// long is the answer of at most n tokens that a prompt must get in a context of
// size, however often it must shift, and the tokens each shift leaves.
func (m *fakeModel) long(prompt []Token, c *ContextShift, n, size int) (text string, lefts [][]Token, dropped int) {
	seq, turns, answer := slices.Clone(prompt), slices.DeleteFunc(slices.Clone(c.Turns), func(b int) bool { return b < c.Keep }), len(prompt)
	var out []byte
	n = min(n, mostContexts*size)
	for len(out) < n {
		t := m.next(seq)
		if t == 0 {
			break
		}
		seq, out = append(seq, t), append(out, byte(t))
		if len(seq) >= size && len(out) < n {
			before := len(seq)
			seq, turns, answer = lose(seq, c.Keep, turns, answer, size)
			lefts, dropped = append(lefts, slices.Clone(seq)), dropped+before-len(seq)
		}
	}
	return string(out), lefts, dropped
}

// checkShifted asks and expects the answer of long.
func checkShifted(t *testing.T, b *bench, r *Request, size int) {
	t.Helper()
	prompt, c, n := slices.Clone(r.Prompt), *r.Shift, r.MaxTokens
	want, lefts, dropped := b.model.long(prompt, &c, n, size)
	got, res, err := b.ask(context.Background(), r)
	if got != want || err != nil {
		t.Fatalf("%d tokens behind %d = %q (%v), want %q", n, len(prompt), got, err, want)
	}
	if res.Finish != FinishLength || res.PromptTokens != len(prompt) || res.CompletionTokens != len(want) || res.Shifts != len(lefts) || res.ShiftedTokens != dropped {
		t.Fatalf("%d tokens behind %d: %+v, want %d shifts that drop %d", n, len(prompt), res, len(lefts), dropped)
	}
	// What was said behind a shift is what a new request with the tokens that were
	// left is answered.
	rest := len(prompt) + len(want)
	for i, left := range lefts {
		before := b.model.next(left)
		alone, _, err := b.ask(context.Background(), &Request{Prompt: slices.Clone(left), MaxTokens: 5})
		if err != nil || len(alone) > 0 && alone[0] != byte(before) || !strings.Contains(want, alone) {
			t.Fatalf("shift %d of %d: a request with what it left is answered %q (%v), want a part of %q, %d tokens in all", i, len(lefts), alone, err, want, rest)
		}
	}
}

func TestAnAnswerOutgrowsItsContext(t *testing.T) {
	for _, cfg := range []Config{{Speculate: SpeculateOff}, {Deterministic: true}, {Parallel: 1, BatchRows: 16}} {
		const size = 200
		b := newBench(size, cfg)
		head := "system: be brief. "
		turns := []string{"first question|", strings.Repeat("a long answer ", 4), "second question|", "so so ", "third|"}
		prompt := tokens(head + strings.Join(turns, ""))
		places := []int{len(head), len(head) + len(turns[0]) + len(turns[1]), len(prompt) - len(turns[4])}
		for _, n := range []int{40, 90, 250, 1000} {
			checkShifted(t, b, &Request{Prompt: slices.Clone(prompt), MaxTokens: n, Shift: &ContextShift{Keep: len(head), Turns: places}}, size)
			checkShifted(t, b, &Request{Prompt: slices.Clone(prompt), MaxTokens: n, Shift: &ContextShift{Keep: 4}}, size)
			checkShifted(t, b, &Request{Prompt: slices.Clone(prompt), MaxTokens: n, Shift: &ContextShift{}}, size)
		}
		got, res, err := b.ask(context.Background(), &Request{Prompt: slices.Clone(prompt), Shift: &ContextShift{Keep: 4}})
		if err != nil || res.CompletionTokens != mostContexts*size || res.Finish != FinishLength || len(got) != mostContexts*size {
			t.Fatalf("an answer without a bound: %+v (%v), want length after %d tokens", res, err, mostContexts*size)
		}
		// Off, or with a head that leaves nothing to drop, it ends where the context does.
		for _, shift := range []*ContextShift{nil, {Keep: size - 10}, {Keep: -1}} {
			_, res, err = b.ask(context.Background(), &Request{Prompt: slices.Clone(prompt), Shift: shift})
			if err != nil || res.Finish != FinishLength || res.Shifts != 0 || len(prompt)+res.CompletionTokens != size {
				t.Fatalf("shift %v: %+v (%v), want length at the context's end", shift, res, err)
			}
		}
		b.Close()
		if n, tokens, running := b.sched.shifts, b.sched.shifted, b.sched.tree.Stats().Running; n == 0 || tokens < n*size/8 || running != 0 {
			t.Fatalf("%d shifts of %d tokens, %d sequences run on; want shifts of %d tokens or more and nothing running", n, tokens, running, size/8)
		}
	}
}

// What is dropped, at its borders: turns at a quarter, at the half, behind it; a
// question that is too long to stay; no turns.
func TestWhatAShiftDrops(t *testing.T) {
	f := func(name string, m shifting, n int, oldFrom, oldTo, saidFrom, saidTo int) {
		t.Helper()
		old, said := m.choose(n, 100)
		if want := (run{oldFrom, oldTo}); old != want || said != (run{saidFrom, saidTo}) {
			t.Fatalf("%s: choose(%d, 100) of %+v = %v, %v; want %v, %v", name, n, m, old, said, want, run{saidFrom, saidTo})
		}
		text := make([]Token, n)
		for i := range text {
			text[i] = Token(i)
		}
		left, turns, answer := lose(slices.Clone(text), m.keep, m.turns, m.answer, 100)
		got := m.drop(slices.Clone(text), said, old)
		if !slices.Equal(got, left) || !slices.Equal(m.turns, turns) || m.answer != max(answer, m.keep) {
			t.Fatalf("%s: left %v turns %v answer %d, want %v, %v, %d", name, got, m.turns, m.answer, left, turns, answer)
		}
	}
	f("the first turn behind the half", shifting{keep: 20, turns: []int{20, 50, 70, 90}, answer: 95}, 100, 20, 70, 100, 100)
	f("a turn at the half", shifting{keep: 20, turns: []int{20, 50, 60, 90}, answer: 95}, 100, 20, 60, 100, 100)
	f("the last turn in front of it", shifting{keep: 20, turns: []int{20, 30, 45}, answer: 50}, 100, 20, 45, 100, 100)
	f("a turn at a quarter", shifting{keep: 20, turns: []int{20, 40}, answer: 50}, 100, 20, 40, 100, 100)
	f("turns that are too old", shifting{keep: 20, turns: []int{20, 30}, answer: 40}, 100, 20, 30, 40, 70)
	f("only a question", shifting{keep: 20, turns: []int{20}, answer: 30}, 100, 20, 20, 30, 65)
	f("a question that is too long", shifting{keep: 20, turns: []int{20}, answer: 60}, 100, 20, 60, 100, 100)
	f("no turns", shifting{keep: 4, answer: 10}, 100, 4, 52, 100, 100)
	f("nothing kept", shifting{answer: 10}, 99, 0, 49, 99, 99)
}

func TestTruncate(t *testing.T) {
	text := make([]Token, 1000)
	for i := range text {
		text[i] = Token(i % 200)
	}
	f := func(n, keep, most, size, want int) {
		t.Helper()
		r := &Request{Prompt: text[:n], MaxTokens: most, Shift: &ContextShift{Keep: keep, Turns: []int{keep, n - 3}}}
		r.Truncate(size)
		if len(r.Prompt) != want || r.Truncated != n-want || !slices.Equal(r.Prompt[:keep], text[:keep]) || !slices.Equal(r.Prompt[keep:], text[n-want+keep:n]) {
			t.Fatalf("Truncate(%d) of %d keeping %d for %d = %d tokens, %d truncated; want %d", size, n, keep, most, len(r.Prompt), r.Truncated, want)
		}
		if n != want && !slices.Equal(r.Shift.Turns, []int{want - 3}) {
			t.Fatalf("turns are at %v, want %d", r.Shift.Turns, want-3)
		}
		if r.Truncate(size); len(r.Prompt) != want {
			t.Fatalf("Truncate again = %d tokens, want %d", len(r.Prompt), want)
		}
		if n > 1 && text[1] != 1 || text[keep] != Token(keep%200) {
			t.Fatal("the caller's slice has changed")
		}
	}
	f(99, 20, 0, 100, 99)  // fits
	f(100, 20, 0, 100, 60) // a block of 40 goes, 20 are left for the answer
	f(120, 20, 0, 100, 80) // the same beginning as long as it fits
	f(121, 20, 0, 100, 41)
	f(120, 20, 1, 100, 80)
	f(139, 20, 1, 100, 99)
	f(140, 20, 1, 100, 60)
	f(1000, 20, 0, 100, 80)
	f(1000, 0, 0, 100, 50)
	f(1000, 75, 0, 100, 76+12)
	f(1000, 76, 0, 100, 1000) // a head of more than three quarters
	r := &Request{Prompt: text}
	if r.Truncate(100); len(r.Prompt) != 1000 {
		t.Fatal("a prompt without Shift was truncated")
	}
}

func TestAPromptIsTruncated(t *testing.T) {
	b := newBench(100, Config{})
	defer b.Close()
	prompt := tokens(strings.Repeat("0123456789", 30))
	if _, _, err := b.ask(context.Background(), &Request{Prompt: slices.Clone(prompt), MaxTokens: 4}); err == nil || err.Error() != "inference: the prompt has 300 tokens, the context holds 100 and one must be left for the answer" {
		t.Fatalf("without a shift: %v, want both numbers", err)
	}
	short := &Request{Prompt: prompt, MaxTokens: 4, Shift: &ContextShift{Keep: 20}}
	short.Truncate(100)
	want := b.model.generate(short.Prompt, 4)
	got, res, err := b.ask(context.Background(), &Request{Prompt: slices.Clone(prompt), MaxTokens: 4, Shift: &ContextShift{Keep: 20}})
	if err != nil || got != want || res.PromptTokens != len(short.Prompt) || res.ShiftedTokens != 300-len(short.Prompt) || res.Shifts != 1 {
		t.Fatalf("truncated: %q %+v (%v), want %q and %d tokens dropped", got, res, err, want, 300-len(short.Prompt))
	}
}

// A stop string that lies on both sides of a shift is found, and a character is
// whole.
func TestAShiftDoesNotBreakTheText(t *testing.T) {
	const size = 64
	b := newBench(size, Config{})
	defer b.Close()
	prompt, c := tokens("0123456789"), &ContextShift{Keep: 4}
	whole, lefts, _ := b.model.long(prompt, c, 300, size)
	if len(lefts) < 5 {
		t.Fatalf("%d shifts, want 5 or more", len(lefts))
	}
	at := size - len(prompt) // tokens of the answer at the first shift
	for width := 2; width < 8; width++ {
		for from := at - width + 1; from < at; from++ {
			stop := whole[from : from+width]
			want, _, _ := strings.Cut(whole, stop)
			got, res, err := b.ask(context.Background(), &Request{Prompt: slices.Clone(prompt), MaxTokens: 300, Stop: []string{stop}, Shift: &ContextShift{Keep: 4}})
			if err != nil || got != want || res.Finish != FinishStop || res.StopString != stop {
				t.Fatalf("stop %q: %q %+v (%v), want %q", stop, got, res, err, want)
			}
		}
	}
}

// Reading again can be cancelled, and pushed out by an interactive request, at any
// step of it.
func TestAShiftIsInterrupted(t *testing.T) {
	const size = 128
	prompt := tokens("0123456789")
	m := &fakeModel{vocab: 20}
	want, _, _ := m.long(prompt, &ContextShift{}, 300, size)
	for _, how := range []string{"cancel", "preempt"} {
		for step := range 12 {
			b := newBench(size, Config{Parallel: 1, BatchRows: 8, Speculate: SpeculateOff})
			b.ctx.gate = make(chan struct{})
			s, err := b.Submit(context.Background(), &Request{Prompt: slices.Clone(prompt), MaxTokens: 300, Shift: &ContextShift{}, Priority: Batch})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 + size - len(prompt) - 1 + step { // the prompt takes two steps of 8 rows
				b.ctx.gate <- struct{}{}
			}
			second := "?"
			var other *Stream
			if how == "cancel" {
				select { // a wake of before
				case <-b.wakeup:
				default:
				}
				// Until the loop has it: it waits at the gate, or ended the request already.
				for s.Close(); len(b.wakeup) == 0 && s.Result().Finish == ""; {
					runtime.Gosched()
				}
			} else if other, err = b.Submit(context.Background(), &Request{Prompt: tokens(second), MaxTokens: 20}); err != nil {
				t.Fatal(err)
			}
			close(b.ctx.gate)
			got, res, err := collect(s)
			switch {
			case err != nil:
				t.Fatal(err)
			case how == "cancel" && (res.Finish != FinishCancelled || !strings.HasPrefix(want, got) || res.Shifts != 1):
				t.Fatalf("cancelled at step %d: %q %+v, want a beginning of %q", step, got, res, want)
			case how == "preempt" && got != want:
				t.Fatalf("pushed out at step %d: %q, want %q", step, got, want)
			}
			if other != nil {
				if got, _, err := collect(other); err != nil || got != m.generate(tokens(second), 20) {
					t.Fatalf("who pushed out at step %d: %q (%v)", step, got, err)
				}
				if b.Stats().Preempted == 0 {
					t.Fatalf("nobody was pushed out at step %d", step)
				}
			}
			b.Close()
			if running := b.sched.tree.Stats().Running; running != 0 {
				t.Fatalf("%s at step %d: %d sequences run on", how, step, running)
			}
		}
	}
}
