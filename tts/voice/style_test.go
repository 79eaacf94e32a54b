package voice

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"repartee/tts/onnx/graph"
)

// pack is a raw style pack: every number of row r is base+r.
func pack(rows int, base float32) []byte {
	var b []byte
	for r := range rows {
		for range styleWidth {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(base+float32(r)))
		}
	}
	return b
}

func npy(descr, shape string, data []byte) []byte {
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }\n", descr, shape)
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(h)))
	return append(append(b, h...), data...)
}

func npz(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestStylesAreFound(t *testing.T) {
	f := func(files map[string][]byte, meta map[string]string, want ...string) {
		t.Helper()
		dir := t.TempDir()
		for name, b := range files {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m := graph.New(17)
		m.Metadata = meta
		got, err := findStyles(filepath.Join(dir, "v.onnx"), m)
		if err != nil {
			t.Errorf("findStyles with %d files: %v", len(files), err)
			return
		}
		var names []string
		for i, s := range got {
			names = append(names, s.name)
			if s.row(1)[0] != float32(100*i+min(1, len(s.data)/styleWidth-1)) {
				t.Errorf("row 1 of %s begins with %v", s.name, s.row(1)[0])
			}
			s.row(1 << 20)
		}
		if fmt.Sprint(names) != fmt.Sprint(want) {
			t.Errorf("findStyles = %v, want %v", names, want)
		}
	}
	two := append(pack(510, 0), pack(510, 100)...)
	f(map[string][]byte{"v.voices/af_a.bin": pack(510, 0), "v.voices/bm_b.bin": pack(510, 100)}, nil, "af_a", "bm_b")
	f(map[string][]byte{"voices/x.bin": pack(1, 0)}, nil, "x")
	f(map[string][]byte{"voices.bin": two}, nil, "0", "1")
	f(map[string][]byte{"voices-v1.bin": two}, map[string]string{"speaker_names": "ann, bob"}, "ann", "bob")
	f(map[string][]byte{"voices.bin": npz(t, map[string][]byte{"b.npy": npy("<f4", "2, 1, 256", pack(2, 100)), "a.npy": npy("<f4", "2, 1, 256", pack(2, 0))})}, nil, "a", "b")

	bad := func(has string, b []byte) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "voices.bin")
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := styleFile(path, nil); err == nil || !strings.Contains(err.Error(), has) {
			t.Errorf("styleFile = %v, want an error with %q", err, has)
		}
	}
	bad("rows of 256", []byte("short"))
	bad("rows of 256", nil)
	bad("NaN", pack(1, float32(math.NaN())))
	bad("not a NumPy array", npz(t, map[string][]byte{"a.npy": []byte("x")}))
	bad("rows of 256", npz(t, map[string][]byte{"a.npy": npy("<f4", "2, 128", pack(1, 0))}))
	bad("rows of 256", npz(t, map[string][]byte{"a.npy": npy("<i4", "1, 256", pack(1, 0))}))
	bad("shape", npz(t, map[string][]byte{"a.npy": npy("<f4", "99999999, 99999999, 256", nil)}))
	bad("zip", []byte("PK\x03\x04 and no more"))
	if _, err := findStyles(filepath.Join(t.TempDir(), "v.onnx"), graph.New(17)); err == nil || !strings.Contains(err.Error(), "v.voices") {
		t.Errorf("without packs: %v", err)
	}
}

func FuzzNPZ(f *testing.F) {
	f.Add(npz(f, map[string][]byte{"a.npy": npy("<f2", "1, 256", make([]byte, 512))}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = readNPZ(b)
		if data, err := readNPY(b); err == nil && len(data)%styleWidth != 0 {
			t.Errorf("readNPY gave %d numbers", len(data))
		}
	})
}

func TestHalf(t *testing.T) {
	f := func(h uint16, want float32) {
		t.Helper()
		if got := half(h); got != want {
			t.Errorf("half(%#x) = %v, want %v", h, got, want)
		}
	}
	f(0, 0)
	f(0x3c00, 1)
	f(0xc000, -2)
	f(0x7bff, 65504)
	f(0x0001, float32(math.Ldexp(1, -24)))
	f(0x3555, 0.33325195)
	f(0x7c00, float32(math.Inf(1)))
}

func TestSpeaker(t *testing.T) {
	i := Info{Speakers: []string{"af_bella", "af_sky", "bm_lewis"}, Accents: []string{"en-us", "en-us", "en-gb"}, Blends: true, Espeak: "en-us"}
	f := func(name, want, accent string) {
		t.Helper()
		s, err := i.Speaker(name)
		if err != nil || fmt.Sprint(s) != want || i.Accent(s) != accent {
			t.Errorf("Speaker(%q) = %v, %v, read as %s; want %s, %s", name, s, err, i.Accent(s), want, accent)
		}
	}
	f("", "{0 []}", "en-us")
	f("af_sky", "{1 []}", "en-us")
	f("2", "{2 []}", "en-gb")
	f("af_bella(3)+af_sky(1)", "{0 [{0 0.75} {1 0.25}]}", "en-us")
	f(" bm_lewis + af_sky ", "{2 [{2 0.5} {1 0.5}]}", "en-gb")
	bad := func(name, has string) {
		t.Helper()
		if s, err := i.Speaker(name); err == nil || !strings.Contains(err.Error(), has) {
			t.Errorf("Speaker(%q) = %v, %v, want an error with %q", name, s, err, has)
		}
	}
	bad("eve", "bm_lewis")
	bad("af_sky+eve", "bm_lewis")
	bad("af_sky(0)", "weight")
	bad("af_sky(NaN)+af_bella", "weight")
	bad("af_sky(1", "weight")
	bad(strings.Repeat("af_sky+", 9)+"af_sky", "at most 8")
	styles := []style{{"a", []float32{0: 1, 255: 3}}, {"b", []float32{0: 3, 255: 5}}}
	if got, err := mixed(styles, Speaker{Mix: []Share{{0, 0.25}, {1, 0.75}}}, 7); err != nil || got[0] != 2.5 || got[255] != 4.5 {
		t.Errorf("mixed = %v %v, %v, want 2.5 4.5", got[0], got[255], err)
	}
}

func TestKokoroUnits(t *testing.T) {
	f := func(espeak, in, want string) {
		t.Helper()
		if got := kokoroUnits(in, espeak); got != want {
			t.Errorf("kokoroUnits(%q, %s) = %q, want %q", in, espeak, got, want)
		}
	}
	f("en-us", "həlˈoʊ wˈɜːld", "həlˈO wˈɜɹld")
	f("en-us", "dʒˈʌmps tʃˈeɪndʒ", "ʤˈʌmps ʧˈAnʤ")
	f("en-us", "fˈɑːðɚ bˈɔɪ nˈaʊ mˈaɪ", "fˈɑðəɹ bˈY nˈW mˈI")
	f("en-us", "bˈʌʔn\u0329 wˈɔːɾɚ fˈoːɹ", "bˈʌtᵊn wˈɔTəɹ fˈɔɹ")
	f("en-gb", "həlˈəʊ wˈɜːld", "həlˈQ wˈɜːld")
	f("en-gb", "ðˈeə bˈɛd", "ðˈɛː bˈɛd")
	f("es", "ˈotʃo", "ˈoʧo")
	ids := symbolIDs(kokoroSymbols)
	for r, want := range map[rune]int64{';': 1, ' ': 16, 'A': 24, 'a': 43, 'z': 68, 'ɑ': 69, 'ʧ': 133, 'ˈ': 156, 'ː': 158, 'ᵻ': 177} {
		if ids[r] != want {
			t.Errorf("id of %c = %d, want %d", r, ids[r], want)
		}
	}
	if len(ids) != 114 {
		t.Errorf("Kokoro has %d symbols, want 114", len(ids))
	}
}

func FuzzSpeakerMix(f *testing.F) {
	f.Add("af_bella(2)+af_sky(1)")
	f.Add("0+1(1e3)+(")
	i := Info{Speakers: []string{"af_bella", "af_sky", "a(b"}, Blends: true}
	f.Fuzz(func(t *testing.T, name string) {
		s, err := i.Speaker(name)
		if err != nil {
			return
		}
		sum := float32(0)
		for _, m := range s.Mix {
			if sum += m.Weight; m.ID < 0 || m.ID >= len(i.Speakers) || !(m.Weight > 0) {
				t.Errorf("Speaker(%q) = %+v", name, s)
			}
		}
		if len(s.Mix) > 0 && math.Abs(float64(sum)-1) > 1e-3 || s.ID < 0 || s.ID >= len(i.Speakers) {
			t.Errorf("Speaker(%q) = %+v", name, s)
		}
	})
}

func FuzzRawStyles(f *testing.F) {
	f.Add(pack(2, 1), "a,b")
	f.Add(pack(1, 1), "")
	f.Add([]byte("PK\x03\x04"), "a")
	f.Fuzz(func(t *testing.T, b []byte, names string) {
		out, err := readRaw(b, "one", map[string]string{"speaker_names": names})
		if err != nil {
			return
		}
		for _, s := range out {
			if len(s.data) == 0 || len(s.data)%styleWidth != 0 || len(s.row(1000)) != styleWidth {
				t.Errorf("%d bytes for %q hold a pack of %d numbers", len(b), names, len(s.data))
			}
		}
	})
}
