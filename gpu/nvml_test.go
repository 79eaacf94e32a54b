//go:build cgo

package gpu

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// standIn compiles the library with recorded answers; defines choose what goes
// wrong.
func standIn(t *testing.T, defines ...string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to build the stand-in with")
	}
	path := filepath.Join(t.TempDir(), "libnvidia-ml.so.1")
	args := append([]string{"-shared", "-fPIC", "-w", "-o", path}, defines...)
	if out, err := exec.Command(cc, append(args, "testdata/nvml.c")...).CombinedOutput(); err != nil {
		t.Fatalf("compiling the stand-in with %q: %v\n%s", defines, err, out)
	}
	return path
}

func open(t *testing.T, path string) *Telemetry {
	t.Helper()
	tel := OpenTelemetry(path)
	t.Cleanup(tel.Close)
	return tel
}

func TestTelemetryReadsACard(t *testing.T) {
	tel := open(t, standIn(t))
	if err := tel.Err(); err != nil {
		t.Fatalf("OpenTelemetry(working library): %v", err)
	}
	want := Device{UUID: "GPU-8d4f0b1e-5c1a-4b7e-9a53-2f0c6b1d7e42", Name: "NVIDIA H200", PCI: "00000000:19:00.0", Capability: "9.0", TotalBytes: 150754820096, FreeBytes: 149000000000}
	if got := tel.Devices(); len(got) != 1 || got[0] != want {
		t.Fatalf("Devices() = %+v, want one: %+v", got, want)
	}
	s, err := tel.Sample(0)
	if err != nil {
		t.Fatalf("Sample(0): %v", err)
	}
	if s.PowerWatts != 118.25 || s.PowerLimitWatts != 700 || s.Utilisation != 0.42 || s.ClockMHz != 1980 || s.MemoryClockMHz != 3201 || s.Celsius != 36 {
		t.Errorf("Sample(0) = %+v, want the recorded readings", s)
	}
	if !slices.Equal(s.Throttle, []string{"power cap"}) {
		t.Errorf("Throttle = %q, want the power cap and not the idle bit", s.Throttle)
	}
	if got := s.Bytes(4711); got != 7<<30 {
		t.Errorf("Bytes(4711) = %d, want 7 GiB", got)
	}
	later, err := tel.Sample(0)
	if err != nil {
		t.Fatal(err)
	}
	if got := EnergyPerToken(s, later, 3); got != 0.5 {
		t.Errorf("EnergyPerToken(1.5 J, 3 tokens) = %v, want 0.5", got)
	}
	if got := s.Text(); !strings.Contains(got, "118 of 700 W") || !strings.Contains(got, "slowed by power cap") {
		t.Errorf("Text() = %q, want power and throttling in it", got)
	}
	if _, err := tel.Sample(1); err == nil || !strings.Contains(err.Error(), "no device 1") {
		t.Errorf("Sample(1) = %v, want an error that names the device", err)
	}
}

// TestFailuresEndInOneLine goes through what machines are like: what Telemetry
// says, what --device auto makes of it and how --device cuda refuses.
func TestFailuresEndInOneLine(t *testing.T) {
	all := func() []Library {
		libs := slices.Clone(cudaNames)
		for i := range libs {
			libs[i].Path = "/lib/" + libs[i].Name
		}
		return libs
	}
	without := func(names ...string) []Library {
		libs := all()
		for i := range libs {
			if slices.Contains(names, libs[i].Name) {
				libs[i].Path = ""
			}
		}
		return libs
	}
	f := func(name, path string, built bool, libs []Library, want string) {
		t.Helper()
		tel := open(t, path)
		found := Look(tel, built)
		found.Libraries = libs
		choice, err := found.Choose(Auto, "")
		if err != nil || choice.CUDA == (want != "") || !strings.Contains(choice.Why, want) || strings.Contains(choice.Why, "\n") {
			t.Errorf("%s: Choose(auto) = %+v, %v; want one line with %q", name, choice, err, want)
		}
		if choice, err = found.Choose(CPU, ""); err != nil || choice.CUDA {
			t.Errorf("%s: Choose(cpu) = %+v, %v; want the CPU", name, choice, err)
		}
		choice, err = found.Choose(CUDA, "")
		if want == "" {
			if err != nil || !choice.CUDA {
				t.Errorf("%s: Choose(cuda) = %+v, %v; want CUDA", name, choice, err)
			}
			return
		}
		if !errors.Is(err, ErrNoCUDA) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: Choose(cuda) = %v, want ErrNoCUDA with %q", name, err, want)
		}
	}
	good := standIn(t)
	f("all well", good, true, all(), "")
	f("no driver at all", filepath.Join(t.TempDir(), "libnvidia-ml.so.1"), true, all(), "cannot be opened")
	f("not built", good, false, all(), "make cuda")
	f("driver not loaded", standIn(t, "-DNO_DRIVER"), true, all(), "no NVIDIA driver is loaded")
	f("driver and library differ", standIn(t, "-DMISMATCH"), true, all(), "different versions")
	f("library of another age", standIn(t, "-DSTRIPPED"), true, all(), "lacks nvmlInit, nvmlDeviceGetCount")
	f("driver too old", standIn(t, "-DOLD"), true, all(), "driver 470.256.02 runs CUDA up to 11.4 and 13.0 is needed")
	f("no card", standIn(t, "-DNO_CARD"), true, all(), "has no GPU")
	f("gone before it was read", standIn(t, "-DVANISH=0"), true, all(), "fallen off the bus")
	f("without cuBLAS", good, true, without("libcublas.so.13", "libcublasLt.so.13"), "libcublasLt.so.13, libcublas.so.13 are missing")
	f("without cuDNN, which only speech needs", good, true, without("libcudnn.so.9"), "")
}

func TestOldDriverSaysLess(t *testing.T) {
	s, err := open(t, standIn(t, "-DOLD")).Sample(0)
	if err != nil {
		t.Fatalf("Sample with an old driver: %v", err)
	}
	if s.EnergyJoules != 0 || s.Processes != nil || s.PowerWatts != 118.25 {
		t.Errorf("Sample = %+v, want power and neither energy nor processes", s)
	}
}

func TestVanishingCard(t *testing.T) {
	tel := open(t, standIn(t, "-DVANISH=3"))
	if err := tel.Err(); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 5 {
		if _, err = tel.Sample(0); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrGone) {
		t.Fatalf("Sample after the card went = %v, want ErrGone", err)
	}
	if errors.Is(&CallError{Code: 3}, ErrGone) {
		t.Error("a call that is not supported counts as a lost card")
	}
}

func TestClosedTelemetry(t *testing.T) {
	tel := OpenTelemetry(standIn(t))
	tel.Close()
	tel.Close()
	if _, err := tel.Sample(0); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Fatalf("Sample after Close = %v, want an error that says so", err)
	}
}

func TestChooseByUUID(t *testing.T) {
	libs := slices.Clone(cudaNames)
	for i := range libs {
		libs[i].Path = "/x"
	}
	found := Found{Built: true, Driver: "580", DriverCUDA: 13000, Libraries: libs, Devices: []Device{{UUID: "a", FreeBytes: 1}, {UUID: "b", FreeBytes: 9}}}
	if c, err := found.Choose(CUDA, ""); err != nil || c.Device.UUID != "b" {
		t.Errorf("Choose() = %+v, %v; want b, which has more free memory", c, err)
	}
	if c, err := found.Choose(CUDA, "a"); err != nil || c.Device.UUID != "a" {
		t.Errorf("Choose(a) = %+v, %v; want a", c, err)
	}
	if _, err := found.Choose(CUDA, "z"); err == nil || !strings.Contains(err.Error(), "only a, b") {
		t.Errorf("Choose(z) = %v, want an error that lists a and b", err)
	}
}

func TestPreload(t *testing.T) {
	path := standIn(t)
	if failed := PreloadCUDA([]Library{{Name: "a", Path: path}, {Name: "b"}, {Name: "c", Path: filepath.Join(t.TempDir(), "none.so")}}); len(failed) != 1 || failed["c"] == nil || !strings.Contains(failed["c"].Error(), "none.so") {
		t.Fatalf("PreloadCUDA = %v, want only c, by its path", failed)
	}
	needs, err := Needs(path)
	if err != nil || !slices.Contains(needs, "libc.so.6") {
		t.Fatalf("Needs(stand-in) = %q, %v; want libc.so.6 in it", needs, err)
	}
	if _, err := Needs("testdata/nvml.c"); err == nil {
		t.Fatal("Needs(a text) = nil, want an error")
	}
}

// Containers mount the driver's libraries where the loader does not look.
func TestTelemetryIsFoundInAMountedFolder(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "usr/local/nvidia/lib64")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if tel := newTelemetry(root); !errors.Is(tel.Err(), ErrNoLibrary) {
		tel.Close()
		t.Skipf("this machine has a driver: %v", tel.Err())
	}
	if err := os.Rename(standIn(t), filepath.Join(dir, "libnvidia-ml.so.1")); err != nil {
		t.Fatal(err)
	}
	tel := newTelemetry(root)
	defer tel.Close()
	if err := tel.Err(); err != nil || len(tel.Devices()) != 1 {
		t.Fatalf("newTelemetry = %v, %d devices; want the stand-in's one", err, len(tel.Devices()))
	}
	if d := DriverOf(tel); !d.Loaded || !strings.Contains(d.Detail, "580.159.04") {
		t.Errorf("DriverOf(a sandbox with a GPU) = %+v, want it loaded", d)
	}
}
