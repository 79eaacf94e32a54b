package bench

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func readEvents(t *testing.T, r io.Reader) (out []string, err error) {
	t.Helper()
	events := NewEvents(r, time.Now)
	for {
		ev, err := events.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, ev.Name+"|"+string(ev.Data))
	}
}

func TestEvents(t *testing.T) {
	f := func(stream string, want ...string) {
		t.Helper()
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(stream), "byte by byte": iotest.OneByteReader(strings.NewReader(stream))} {
			got, err := readEvents(t, r)
			if err != nil || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
				t.Errorf("events of %q (%s) = %q, %v; want %q", stream, name, got, err, want)
			}
		}
	}
	f("")
	f("data: a\n\n", "|a")
	f("data:a\n\ndata:  b\n\n", "|a", "| b")
	f("data: a\r\n\r\ndata: b\r\n\r\n", "|a", "|b")
	f("data: a\ndata: b\n\n", "|a\nb")
	f("data:\n\n", "|")
	f("data\n\n", "|")
	f(": keep-alive\n\ndata: a\n\n: x\n\n", "|a")
	f("event: delta\ndata: a\nid: 7\nretry: 5\n\ndata: b\n\n", "delta|a", "|b")
	f("event: lost\n\ndata: b\n\n", "|b")
	f("\xef\xbb\xbfdata: a\n\n", "|a")
	f("data: a\n\ndata: cut off", "|a")
	f("data: a\n\ndata: not ended\n", "|a")
	f("data: "+strings.Repeat("x", 10000)+"\n\n", "|"+strings.Repeat("x", 10000))
}

func TestEventsRefuseWhatIsTooLong(t *testing.T) {
	for _, stream := range []io.Reader{
		io.MultiReader(strings.NewReader("data: "), io.LimitReader(endless('x'), maxEvent+10000)),
		io.LimitReader(endlessLines("data: 123456789012345678901234567890\n"), 2*maxEvent),
	} {
		if _, err := readEvents(t, stream); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("an endless event: error %v, want one about its length", err)
		}
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

type endlessLines string

func (e endlessLines) Read(p []byte) (int, error) {
	if len(p) < len(e) {
		return copy(p, ":\n"), nil
	}
	return copy(p, e), nil
}

// The time of an event is that of the read that completed it.
func TestEventsAreStamped(t *testing.T) {
	pieces := []string{"data: a\n", "\nda", "ta: b\n\ndata: c\n\n", "data: d\n\n"}
	at := time.Unix(0, 0)
	read := 0
	r := readerFunc(func(p []byte) (int, error) {
		if read == len(pieces) {
			return 0, io.EOF
		}
		read++
		at = time.Unix(int64(read), 0)
		return copy(p, pieces[read-1]), nil
	})
	events := NewEvents(r, func() time.Time { return at })
	for i, want := range []int64{2, 3, 3, 4} {
		ev, err := events.Next()
		if err != nil || ev.At.Unix() != want {
			t.Errorf("event %d at %d, %v; want %d", i, ev.At.Unix(), err, want)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: {\"a\":1}\n\nevent: x\ndata: b\r\ndata: c\r\n\r\n: c\n\n"), uint8(3))
	f.Add([]byte("data\n\n\xef\xbb\xbf\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, piece uint8) {
		whole, err := readEvents(t, bytes.NewReader(stream))
		if err != nil {
			t.Skip()
		}
		n := int(piece)%7 + 1
		rest := stream
		cut, err := readEvents(t, readerFunc(func(p []byte) (int, error) {
			if len(rest) == 0 {
				return 0, io.EOF
			}
			k := copy(p, rest[:min(n, len(rest))])
			rest = rest[k:]
			return k, nil
		}))
		if err != nil || strings.Join(whole, "\x00") != strings.Join(cut, "\x00") {
			t.Fatalf("events of %q = %q in one piece, %q, %v in pieces of %d", stream, whole, cut, err, n)
		}
	})
}
