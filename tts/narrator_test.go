package tts

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

func listen(t *testing.T, n *Narrator) (texts []string, samples int, last Clause) {
	t.Helper()
	for {
		c, err := n.Next(context.Background())
		if err == io.EOF {
			return texts, samples, last
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		samples += len(c.PCM)
		last = c
		if c.Final && c.Text != "" {
			texts = append(texts, c.Text)
		}
	}
}

func TestNarrate(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	n, err := s.Narrate(context.Background(), Request{SampleRate: 24000})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Cancel()
	for _, r := range "Hello there. How are you, Dr. Smith? It is 3.14" {
		if err := n.Write(string(r)); err != nil {
			t.Fatalf("Write: %v", err)
		}
	}
	if err := n.Flush(); err != nil {
		t.Fatal(err)
	}
	texts, samples, last := listen(t, n)
	if want := []string{"Hello there.", "How are you, Dr. Smith?", "It is 3.14"}; !slices.Equal(texts, want) {
		t.Errorf("texts = %q, want %q", texts, want)
	}
	if want := time.Duration(samples) * time.Second / 24000; (last.Audio - want).Abs() > time.Millisecond {
		t.Errorf("the last clause says %v of audio, there are %v", last.Audio, want)
	}
	if err := n.Write("more"); err == nil {
		t.Error("Write after Flush succeeded")
	}
}

// A clause is spoken as soon as it is complete, while the text goes on.
func TestNarrateDoesNotWait(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	n, err := s.Narrate(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Cancel()
	if err := n.Write("The first sentence. The sec"); err != nil {
		t.Fatal(err)
	}
	c, err := n.Next(context.Background())
	if err != nil || c.Text != "The first sentence." {
		t.Errorf("Next = %q, %v before the text was complete", c.Text, err)
	}
}

// While a clause is being sent, the next one is inferred, and no more than that.
func TestNarrateIsOneAhead(t *testing.T) {
	v := &fakeVoice{}
	s := fakeService(t, v, Config{Threads: 2})
	before := v.speeches.Load() // warming
	n, err := s.Narrate(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Cancel()
	const sentences = 6
	if err := n.Write(strings.Repeat("A sentence of six short words. ", sentences)); err != nil {
		t.Fatal(err)
	}
	if err := n.Flush(); err != nil {
		t.Fatal(err)
	}
	for sent := int32(0); ; {
		want := min(sent+2, sentences)
		for until := time.Now().Add(5 * time.Second); v.speeches.Load()-before < want; time.Sleep(time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%d clauses were begun when %d had been sent, want %d", v.speeches.Load()-before, sent, want)
			}
		}
		c, err := n.Next(context.Background())
		if err == io.EOF {
			if sent != sentences {
				t.Errorf("%d clauses were sent, want %d", sent, sentences)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := v.speeches.Load() - before; got > sent+2 && !c.Final {
			t.Fatalf("%d clauses were begun when %d had been sent, want at most %d", got, sent, sent+2)
		}
		if c.Final {
			sent++
		}
	}
}

func TestNarrateCancel(t *testing.T) {
	v := &fakeVoice{hold: make(chan struct{})}
	s := fakeService(t, v, Config{})
	n, err := s.Narrate(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Write("Some words to say. And more of them."); err != nil {
		t.Fatal(err)
	}
	n.Cancel()
	if _, err := n.Next(context.Background()); err == nil || err == io.EOF {
		t.Errorf("Next after Cancel = %v, want an error", err)
	}
}

func TestNarrateIsBounded(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{MaxText: 1000})
	n, err := s.Narrate(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Cancel()
	if err := n.Write(strings.Repeat("x", 1001)); err == nil {
		t.Error("Write beyond the bound succeeded")
	}
}

// A text without anything to say ends without audio and without an error.
func TestNarrateNothing(t *testing.T) {
	s := fakeService(t, &fakeVoice{}, Config{})
	n, err := s.Narrate(context.Background(), Request{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Cancel()
	_ = n.Write("... 😀")
	_ = n.Flush()
	if texts, samples, _ := listen(t, n); len(texts) != 0 || samples != 0 {
		t.Errorf("silence was spoken: %q, %d samples", texts, samples)
	}
}
