package audio

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

	"github.com/mewkiz/flac"
	"pgregory.net/rapid"
)

func tone(rate, n int, hz float64, amp float64) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(amp * math.Sin(2*math.Pi*hz*float64(i)/float64(rate)))
	}
	return s
}

// encode encodes samples in pieces of the given size.
func encode(t testing.TB, name string, rate int, samples int64, s []int16, piece int) []byte {
	t.Helper()
	return encodeWith(t, name, Options{SampleRate: rate, Samples: samples}, s, piece)
}

func encodeWith(t testing.TB, name string, o Options, s []int16, piece int) []byte {
	t.Helper()
	f, err := Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.NewEncoder(o)
	if errors.Is(err, ErrNoEncoder) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("NewEncoder(%s, %+v): %v", name, o, err)
	}
	defer e.Close()
	var out []byte
	for c := range slices.Chunk(s, piece) {
		if out, err = e.Encode(out, c); err != nil {
			t.Fatalf("Encode: %v", err)
		}
	}
	if out, err = e.Finish(out); err != nil {
		t.Fatalf("Finish: %v", err)
	}
	return out
}

// How samples arrive makes no difference to the bytes.
func TestEncodersDoNotSeePieces(t *testing.T) {
	s := Int16(nil, tone(24000, 24000*2+77, 440, 0.5))
	for _, f := range formats {
		rate := 24000
		if f.Name == "ulaw" {
			rate = 8000
		}
		t.Run(f.Name, func(t *testing.T) {
			want := encode(t, f.Name, rate, 0, s, len(s))
			for _, piece := range []int{1000, 333} {
				if got := encode(t, f.Name, rate, 0, s, piece); !bytes.Equal(got, want) {
					t.Errorf("in pieces of %d: %d bytes, want the same %d", piece, len(got), len(want))
				}
			}
			if len(encode(t, f.Name, rate, 0, nil, 1)) > 400 {
				t.Error("no samples gave many bytes")
			}
		})
	}
}

// power is the amplitude of a frequency in s.
func power(s []float32, rate int, hz float64) float64 {
	var re, im float64
	for i, x := range s {
		a := 2 * math.Pi * hz * float64(i) / float64(rate)
		re += float64(x) * math.Cos(a)
		im += float64(x) * math.Sin(a)
	}
	return 2 * math.Hypot(re, im) / float64(len(s))
}

func TestFLACIsLossless(t *testing.T) {
	in := Int16(nil, tone(22050, 22050+99, 300, 0.9))
	stream, err := flac.New(bytes.NewReader(encode(t, "flac", 22050, int64(len(in)), in, 5000)))
	if err != nil {
		t.Fatal(err)
	}
	if stream.Info.NSamples != uint64(len(in)) {
		t.Errorf("header says %d samples, want %d", stream.Info.NSamples, len(in))
	}
	var out []int16
	for {
		f, err := stream.ParseNext()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range f.Subframes[0].Samples {
			out = append(out, int16(x))
		}
	}
	if !slices.Equal(in, out) {
		t.Errorf("%d samples came back as %d others", len(in), len(out))
	}
}

func TestWAVHeader(t *testing.T) {
	b := encode(t, "wav", 22050, 3, []int16{1, -2, 3}, 3)
	want := "RIFF\x2a\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x22\x56\x00\x00\x44\xac\x00\x00\x02\x00\x10\x00data\x06\x00\x00\x00\x01\x00\xfe\xff\x03\x00"
	if string(b) != want {
		t.Errorf("wav = %q, want %q", b, want)
	}
}

// The values are those of the table in ITU-T G.711.
func TestULaw(t *testing.T) {
	f := func(in int16, want byte) {
		t.Helper()
		if got := ulawByte(in); got != want {
			t.Errorf("ulawByte(%d) = %#x, want %#x", in, got, want)
		}
	}
	f(0, 0xff)
	f(-1, 0x7f)
	f(32767, 0x80)
	f(-32768, 0x00)
	f(1000, 0xce)
	f(-1000, 0x4e)
}

func TestRates(t *testing.T) {
	f := func(name string, want, own, rate int) {
		t.Helper()
		fm, err := Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := fm.Rate(want, own)
		if (err != nil) != (rate == 0) || got != rate {
			t.Errorf("%s: Rate(%d, %d) = %d, %v, want %d", name, want, own, got, err, rate)
		}
	}
	f("mp3", 0, 22050, 22050)
	f("mp3", 0, 20000, 22050)
	f("opus", 0, 22050, 24000)
	f("opus", 44100, 22050, 0)
	f("ulaw", 0, 22050, 8000)
	f("mulaw", 0, 22050, 8000)
	f("ulaw", 16000, 22050, 0)
	f("wav", 7999, 22050, 0)
	f("wav", 12345, 22050, 12345)
	f("wav", -1, 22050, 0)
}

// Every sample that is loud enough to stay is where Place says, in each clause.
func TestTrimmerPlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := NewTrimmer(1000, rapid.IntRange(0, 30).Draw(t, "lead"), rapid.IntRange(0, 30).Draw(t, "tail"), rapid.IntRange(0, 60).Draw(t, "most"))
		for range rapid.IntRange(1, 3).Draw(t, "clauses") {
			var in []float32
			for range rapid.IntRange(0, 6).Draw(t, "runs") {
				for range rapid.IntRange(0, 120).Draw(t, "loud") {
					in = append(in, 0.01+float32(len(in))/4096) // tells its own number
				}
				in = append(in, make([]float32, rapid.IntRange(0, 120).Draw(t, "quiet"))...)
			}
			var out []float32
			for rest := in; len(rest) > 0; {
				n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
				out, rest = tr.Write(out, rest[:n]), rest[n:]
			}
			out = tr.End(out, 7)
			for i, x := range in {
				if at := tr.Place(i); x > 0 && (at >= len(out) || out[at] != x) {
					t.Fatalf("Place(%d) = %d of %d samples, where it is not", i, at, len(out))
				}
			}
			if at := tr.Place(1 << 20); at != len(out)-7 {
				t.Fatalf("Place behind the end = %d, want %d", at, len(out)-7)
			}
		}
	})
}

func TestTrimmer(t *testing.T) {
	const rate = 1000 // a millisecond a sample, blocks of 5
	loud := func(n int) []float32 { return slices.Repeat([]float32{0.5}, n) }
	quiet := func(n int) []float32 { return make([]float32, n) }
	f := func(in []float32, pause, want int) {
		t.Helper()
		for _, piece := range []int{1, 7, 1000} {
			tr := NewTrimmer(rate, 10, 20, 100)
			var out []float32
			for c := range slices.Chunk(in, piece) {
				out = tr.Write(out, c)
			}
			if out = tr.End(out, pause); len(out) != want {
				t.Errorf("%d samples in pieces of %d leave %d, want %d", len(in), piece, len(out), want)
			}
		}
	}
	f(slices.Concat(quiet(200), loud(50), quiet(300)), 0, 10+50+20)
	f(slices.Concat(loud(50), quiet(300), loud(50)), 70, 50+100+50+70)
	f(slices.Concat(loud(50), quiet(60), loud(50)), 0, 160)
	f(quiet(500), 0, 0)
	f(loud(7), 0, 7)
}

func TestInt16AndSoft(t *testing.T) {
	got := Int16(nil, []float32{0, 1, -1, 2, -2, float32(math.NaN()), float32(math.Inf(1))})
	if want := []int16{0, 32767, -32767, 32767, -32768, 0, 32767}; !slices.Equal(got, want) {
		t.Errorf("Int16 = %v, want %v", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float32().Draw(t, "a"), rapid.Float32().Draw(t, "b")
		if x := Soft(a); x > 1 || x < -1 || x != x {
			t.Fatalf("Soft(%v) = %v", a, x)
		}
		if a < b && Soft(a) > Soft(b) {
			t.Fatalf("Soft is not monotonic between %v and %v", a, b)
		}
	})
}
