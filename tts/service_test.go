package tts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSayRefuses(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{MaxText: 100})
	f := func(r Request, field, has string) {
		t.Helper()
		_, err := s.Say(context.Background(), r)
		var fe *FieldError
		if !errors.As(err, &fe) || fe.Field != field || !strings.Contains(fe.Msg, has) {
			t.Errorf("Say(%+v) = %v, want a FieldError on %s with %q", r, err, field, has)
		}
	}
	for _, text := range []string{"", "   ", "...", "!?", "😀🎉", "— * —", "\x00\x01", "```\n```"} {
		f(Request{Text: text}, "text", "nothing to speak")
	}
	f(Request{Text: strings.Repeat("x", 101)}, "text", "at most 100")
	f(Request{Text: "x", Format: "aac"}, "format", "mp3")
	f(Request{Text: "x", Speed: 5}, "speed", "0.25 to 4")
	f(Request{Text: "x", Speed: -1}, "speed", "0.25 to 4")
	f(Request{Text: "x", Pause: "long"}, "pause", "natural")
	f(Request{Text: "x", SampleRate: 1}, "sample_rate", "22050")
	f(Request{Text: "x", Speaker: "eve"}, "speaker", "ann")
	_, err := s.Say(context.Background(), Request{Text: "x", Voice: "three"})
	var unknown *ErrUnknownVoice
	if !errors.As(err, &unknown) || fmt.Sprint(unknown.Have) != "[one two]" {
		t.Errorf("Say with an unknown voice = %v, want ErrUnknownVoice with both names", err)
	}
}

func TestSayAliases(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{Aliases: map[string]string{"alloy": "", "second": "two"}})
	for name, want := range map[string]string{"": "one", "alloy": "one", "second": "two", "two": "two"} {
		_, p := say(t, s, Request{Text: "hello", Voice: name})
		if got := p.Info().Voice; got != want {
			t.Errorf("voice %q is %q, want %q", name, got, want)
		}
	}
}

func TestSayCaches(t *testing.T) {
	v := &fakeVoice{}
	s := fakeService(t, v, Config{CacheBytes: 1 << 20})
	base := Request{Text: "Hello there. World.", Format: FormatPCM}
	first, p := say(t, s, base)
	if p.Info().CacheHit {
		t.Error("the first request was a cache hit")
	}
	n := v.speeches.Load()
	again, p := say(t, s, base)
	if !p.Info().CacheHit || !bytes.Equal(first, again) || v.speeches.Load() != n {
		t.Errorf("the second request: hit %v, same bytes %v, %d more speeches", p.Info().CacheHit, bytes.Equal(first, again), v.speeches.Load()-n)
	}
	// Everything that changes the audio changes the key.
	for name, r := range map[string]Request{
		"text": {Text: "Hello there. Earth.", Format: FormatPCM}, "voice": {Text: base.Text, Format: FormatPCM, Voice: "two"},
		"format": {Text: base.Text, Format: FormatWAV}, "speed": {Text: base.Text, Format: FormatPCM, Speed: 2},
		"pause": {Text: base.Text, Format: FormatPCM, Pause: PauseNone}, "seed": {Text: base.Text, Format: FormatPCM, Seed: 9},
		"rate": {Text: base.Text, Format: FormatPCM, SampleRate: 8000}, "speaker": {Text: base.Text, Format: FormatPCM, Speaker: "bob"},
	} {
		b, p := say(t, s, r)
		if p.Info().CacheHit {
			t.Errorf("another %s was a cache hit", name)
		}
		if name != "voice" && bytes.Equal(b, first) {
			t.Errorf("another %s gave the same bytes", name)
		}
	}
}

func TestCacheIsBounded(t *testing.T) {
	const limit = 200_000
	s := fakeService(t, &fakeVoice{}, Config{CacheBytes: limit})
	for i := range 60 {
		say(t, s, Request{Text: strings.Repeat(fmt.Sprintf("word%c ", 'a'+i%26), 3+i%5), Format: FormatPCM, Seed: uint64(i)})
		s.mu.Lock()
		size, n := s.shelf.size, len(s.shelf.ready)
		s.mu.Unlock()
		if size > limit || size < 0 || n != s.shelf.order.Len() {
			t.Fatalf("after %d speeches the cache counts %d bytes in %d entries, bound %d", i+1, size, n, limit)
		}
	}
	if len(s.shelf.running) != 0 {
		t.Errorf("%d speeches still count as running", len(s.shelf.running))
	}
}

// Identical requests at once are made once and all get the same bytes.
func TestIdenticalRequestsShare(t *testing.T) {
	v := &fakeVoice{hold: make(chan struct{})}
	s := fakeService(t, v, Config{CacheBytes: 1 << 20})
	n := v.speeches.Load()
	r := Request{Text: "alpha beta gamma", Format: FormatPCM}
	var all [5]*Speech
	for i := range all {
		p, err := s.Say(context.Background(), r)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = p
	}
	all[0].Close() // one leaving does not disturb the others
	close(v.hold)
	var want []byte
	for _, p := range all[1:] {
		b := readAll(t, p)
		if want == nil {
			want = b
		}
		if len(b) == 0 || !bytes.Equal(b, want) {
			t.Error("identical requests got different bytes")
		}
	}
	if got := v.speeches.Load() - n; got != 1 {
		t.Errorf("5 identical requests made %d speeches, want 1", got)
	}
}

func TestQueueIsBounded(t *testing.T) {
	v := &fakeVoice{hold: make(chan struct{})}
	s := fakeService(t, v, Config{MaxQueue: 3})
	var open []*Speech
	for i := range 3 {
		p, err := s.Say(context.Background(), Request{Text: "hello", Seed: uint64(i)})
		if err != nil {
			t.Fatalf("Say %d: %v", i, err)
		}
		open = append(open, p)
	}
	_, err := s.Say(context.Background(), Request{Text: "hello", Seed: 99})
	var full *ErrQueueFull
	if !errors.As(err, &full) || full.RetryAfter <= 0 {
		t.Errorf("Say beyond the bound = %v, want ErrQueueFull", err)
	}
	close(v.hold)
	for _, p := range open {
		readAll(t, p)
	}
}

// The end of a request's context ends its work and nobody else's.
func TestCancelEndsOnlyItsOwn(t *testing.T) {
	v := &fakeVoice{hold: make(chan struct{})}
	s := fakeService(t, v, Config{Threads: 1})
	ctx, cancel := context.WithCancel(context.Background())
	a, err := s.Say(ctx, Request{Text: "first one here", Format: FormatPCM})
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Say(context.Background(), Request{Text: "second", Format: FormatPCM})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := a.Next(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("Next of a cancelled speech = %v", err)
	}
	close(v.hold)
	if got := readAll(t, b); len(got) == 0 {
		t.Error("the other speech has no audio")
	}
}

func TestFailureHurtsOnlyItself(t *testing.T) {
	v := &fakeVoice{fail: "bad", panics: "worse"}
	s := fakeService(t, v, Config{CacheBytes: 1 << 20})
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			text := []string{"all is well.", "this is bad.", "this is worse."}[i%3]
			p, err := s.Say(context.Background(), Request{Text: text, Seed: uint64(i), Format: FormatPCM})
			if err != nil {
				t.Errorf("Say(%q): %v", text, err)
				return
			}
			defer p.Close()
			for err == nil {
				_, err = p.Next(context.Background())
			}
			var fe fakeError
			switch i % 3 {
			case 0:
				if err != io.EOF {
					t.Errorf("%q ended with %v", text, err)
				}
			case 1:
				if !errors.As(err, &fe) {
					t.Errorf("%q ended with %v, want the voice's error", text, err)
				}
			case 2:
				if err == io.EOF || !strings.Contains(err.Error(), "internal error") {
					t.Errorf("%q ended with %v, want an internal error", text, err)
				}
			}
		})
	}
	wg.Wait()
}

// A short text that comes behind long ones is done long before them.
func TestShortPassesLong(t *testing.T) {
	v := &fakeVoice{hold: make(chan struct{})}
	s := fakeService(t, v, Config{Threads: 1})
	var mu sync.Mutex
	var order []string
	var wg sync.WaitGroup
	start := func(name, text string) {
		p, err := s.Say(context.Background(), Request{Text: text, Format: FormatPCM})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			readAll(t, p)
			mu.Lock()
			order = append(order, name)
			mu.Unlock()
		})
	}
	for i := range 3 {
		start("long", strings.Repeat(fmt.Sprintf("word%c ", 'a'+i), 600)+".")
	}
	v.hold <- struct{}{}
	start("short", "hi")
	for waiting := 0; waiting < 3; { // one runs, the short one and two long ones wait
		s.gate.mu.Lock()
		waiting = len(s.gate.waiting)
		s.gate.mu.Unlock()
		runtime.Gosched()
	}
	close(v.hold)
	wg.Wait()
	if order[0] != "short" {
		t.Errorf("finished in the order %v, want the short one first", order)
	}
}

func TestWholeWAVHasItsLength(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	b, p := say(t, s, Request{Text: "hello world", Format: FormatWAV, Whole: true})
	if got := uint32(b[40]) | uint32(b[41])<<8 | uint32(b[42])<<16 | uint32(b[43])<<24; int(got) != len(b)-44 {
		t.Errorf("header says %d bytes, there are %d", got, len(b)-44)
	}
	if d := time.Duration(len(b)-44) / 2 * time.Second / fakeRate; p.Timings().Audio != d {
		t.Errorf("Timings.Audio = %v, want %v", p.Timings().Audio, d)
	}
	b, _ = say(t, s, Request{Text: "hello world", Format: FormatWAV})
	if string(b[40:44]) != "\xff\xff\xff\xff" {
		t.Errorf("streamed header says %x, want an open length", b[40:44])
	}
}

func TestBusyIsToldInOrder(t *testing.T) {
	var mu sync.Mutex
	var calls []bool
	s := fakeService(t, &fakeVoice{}, Config{Busy: func(on bool) {
		mu.Lock()
		calls = append(calls, on)
		mu.Unlock()
	}})
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() { say(t, s, Request{Text: "hello world. And more.", Seed: uint64(i)}) })
	}
	wg.Wait()
	s.Close()
	for i, on := range calls {
		if on != (i%2 == 0) {
			t.Fatalf("Busy was called with %v", calls)
		}
	}
	if len(calls) < 2 || len(calls)%2 != 0 {
		t.Errorf("Busy was called with %v", calls)
	}
}

func TestClose(t *testing.T) {
	v := &fakeVoice{hold: make(chan struct{})}
	s := fakeService(t, v, Config{})
	p, err := s.Say(context.Background(), Request{Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Narrate(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	if _, err := p.Next(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("Next on a closed service = %v, want ErrClosed", err)
	}
	if _, err := n.Next(context.Background()); err == nil || err == io.EOF {
		t.Errorf("narrator's Next on a closed service = %v", err)
	}
	if _, err := s.Say(context.Background(), Request{Text: "x"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Say on a closed service = %v, want ErrClosed", err)
	}
	p.Close()
	n.Cancel()
}

// A reader that does not read holds its own speech up and no memory beyond a
// bound.
func TestSlowReaderHoldsItselfUp(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	text := strings.Repeat("many words are spoken here and nobody listens. ", 110)
	p, err := s.Say(context.Background(), Request{Text: text, Format: FormatPCM, SampleRate: 48000})
	if err != nil {
		t.Fatal(err)
	}
	say(t, s, Request{Text: "another one is served all the same"})
	p.t.mu.Lock()
	held := p.t.size
	p.t.mu.Unlock()
	if held > 2*maxUnread {
		t.Errorf("%d bytes wait for a reader that does not read", held)
	}
	if b := readAll(t, p); len(b) < 4*maxUnread {
		t.Errorf("the slow reader got %d bytes in the end, want more than %d", len(b), 4*maxUnread)
	}
}
