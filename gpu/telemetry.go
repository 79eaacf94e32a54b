package gpu

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// ErrNoLibrary means that NVIDIA's management library cannot be opened, as on
// every machine without a driver.
var ErrNoLibrary = errors.New("gpu: the NVIDIA management library cannot be opened")

// ErrGone means that a GPU which was there answers no more: it fell off the
// bus, was reset, or was taken away.
var ErrGone = errors.New("gpu: the GPU is gone")

// CallError is a call that the management library refused.
type CallError struct {
	Call string
	Code int    // nvmlReturn_t
	Text string // the library's own words, may be empty
}

// Numbers of nvmlReturn_t that mean something of their own here.
const (
	codeNotFound   = 6
	codeNoDriver   = 9
	codeLost       = 15
	codeMismatch   = 18
	codeNotFoundFn = 13
)

func (e *CallError) Error() string {
	why := e.Text
	switch e.Code {
	case codeNoDriver:
		why = "no NVIDIA driver is loaded"
	case codeMismatch:
		why = "the driver in the kernel and its library are of different versions: reboot, or reload the driver"
	case codeLost:
		why = "the GPU has fallen off the bus or is otherwise lost"
	case codeNotFoundFn:
		why = "the driver is too old to know this call"
	}
	if why == "" {
		why = "unknown reason"
	}
	return fmt.Sprintf("gpu: %s: %s (code %d)", e.Call, why, e.Code)
}

// Is makes a lost device equal to ErrGone.
func (e *CallError) Is(target error) bool {
	return target == ErrGone && (e.Code == codeLost || e.Code == codeNotFound)
}

// Device is a GPU as it was when the library was opened. UUID names it for
// good; Index is the driver's order and may differ from CUDA's.
type Device struct {
	Index      int    `json:"index"`
	UUID       string `json:"uuid"`
	Name       string `json:"name"`
	PCI        string `json:"pci"`
	Capability string `json:"capability"` // compute capability, "9.0"
	TotalBytes uint64 `json:"total_bytes"`
	FreeBytes  uint64 `json:"free_bytes"` // when it was opened
}

// Process is one process's share of a GPU's memory.
type Process struct {
	PID   int    `json:"pid"`
	Bytes uint64 `json:"bytes"` // 0 where the driver does not tell, as in containers
}

// Sample is one reading. Fields that the driver cannot tell are zero.
type Sample struct {
	At                time.Time `json:"at"`
	TotalBytes        uint64    `json:"total_bytes"`
	FreeBytes         uint64    `json:"free_bytes"`
	Utilisation       float64   `json:"utilisation"`        // 0 … 1, share of time with a kernel running
	MemoryUtilisation float64   `json:"memory_utilisation"` // 0 … 1
	PowerWatts        float64   `json:"power_watts"`
	PowerLimitWatts   float64   `json:"power_limit_watts"`
	ClockMHz          int       `json:"clock_mhz"`
	MaxClockMHz       int       `json:"max_clock_mhz"`
	MemoryClockMHz    int       `json:"memory_clock_mhz"`
	Celsius           int       `json:"celsius"`
	EnergyJoules      float64   `json:"energy_joules"` // since the driver was loaded
	Throttle          []string  `json:"throttle,omitempty"`
	Processes         []Process `json:"processes,omitempty"`
}

// Bytes of a process on the GPU, 0 when it is not listed.
func (s Sample) Bytes(pid int) uint64 {
	for _, p := range s.Processes {
		if p.PID == pid {
			return p.Bytes
		}
	}
	return 0
}

// library is what Telemetry needs of NVML.
type library interface {
	driver() (version string, cuda int, err error)
	count() (int, error)
	device(i int) (handle uintptr, d Device, err error)
	sample(handle uintptr) (Sample, error)
	close()
}

// Telemetry reads GPUs through NVIDIA's management library. It always exists:
// without a driver it has no devices and Err says why. Any goroutine may use it.
type Telemetry struct {
	mu      sync.Mutex // the library is thread-safe, closing it is not
	lib     library
	handles []uintptr
	devices []Device
	version string
	cuda    int
	err     error
}

// NewTelemetry opens the library where the driver puts it: where the loader finds
// it, else where it is mounted into containers whose loader does not know.
func NewTelemetry() *Telemetry { return newTelemetry("/") }

func newTelemetry(root string) *Telemetry {
	const name = "libnvidia-ml.so.1"
	t := OpenTelemetry(name)
	if !errors.Is(t.err, ErrNoLibrary) {
		return t
	}
	for _, dir := range cudaDirs(root) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return OpenTelemetry(path)
		}
	}
	return t
}

// OpenTelemetry opens the library at path, or by name through the loader.
func OpenTelemetry(path string) *Telemetry {
	t := &Telemetry{}
	lib, err := openNVML(path)
	if err != nil {
		t.err = err
		return t
	}
	t.lib = lib
	// A driver that does not know its CUDA version is older than all that work.
	if t.version, t.cuda, err = lib.driver(); err != nil {
		t.err = err
	}
	n, err := lib.count()
	if err != nil {
		t.err = err
		return t
	}
	for i := range n {
		h, d, err := lib.device(i)
		if err != nil {
			t.err = fmt.Errorf("gpu: device %d: %w", i, err)
			continue
		}
		t.handles, t.devices = append(t.handles, h), append(t.devices, d)
	}
	if t.err == nil && len(t.devices) == 0 {
		t.err = errors.New("gpu: the driver is loaded and has no GPU")
	}
	return t
}

// Err says why there are fewer devices than there may be; nil when all is well.
func (t *Telemetry) Err() error { return t.err }

// Devices are the GPUs that were found when the library was opened.
func (t *Telemetry) Devices() []Device { return t.devices }

// Driver is the driver's version and the newest CUDA it runs, 13000 for 13.0;
// empty and 0 without one.
func (t *Telemetry) Driver() (version string, cuda int) { return t.version, t.cuda }

// Sample reads device i. The error is ErrGone when the device has vanished.
func (t *Telemetry) Sample(i int) (Sample, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lib == nil {
		return Sample{}, t.err
	}
	if i < 0 || i >= len(t.handles) {
		return Sample{}, fmt.Errorf("gpu: there is no device %d, only %d", i, len(t.handles))
	}
	s, err := t.lib.sample(t.handles[i])
	s.At = time.Now()
	return s, err
}

// Close gives the library back. Samples fail afterwards.
func (t *Telemetry) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lib != nil {
		t.lib.close()
		t.lib, t.err = nil, errors.New("gpu: telemetry is closed")
	}
}

// throttles are the bits of nvmlClocksEventReasons that slow a card down; idle
// and clocks set by the user are no reason to worry.
var throttles = []struct {
	bit  uint64
	name string
}{
	{0x4, "power cap"}, {0x8, "hardware slowdown"}, {0x10, "sync boost"}, {0x20, "thermal"},
	{0x40, "hardware thermal"}, {0x80, "power brake"},
}

// ThrottleReasons are all that Sample.Throttle may hold.
func ThrottleReasons() []string { return throttleNames(^uint64(0)) }

func throttleNames(bits uint64) []string {
	var out []string
	for _, t := range throttles {
		if bits&t.bit != 0 {
			out = append(out, t.name)
		}
	}
	return out
}

// EnergyPerToken is the energy between two readings shared by the tokens made
// between them, in joules; 0 when nothing can be said.
func EnergyPerToken(before, after Sample, tokens int) float64 {
	if tokens <= 0 || before.EnergyJoules == 0 || after.EnergyJoules < before.EnergyJoules {
		return 0
	}
	return (after.EnergyJoules - before.EnergyJoules) / float64(tokens)
}

// Text is the sample as one line for logs and doctor.
func (s Sample) Text() string {
	parts := []string{
		fmt.Sprintf("%s of %s free", gib(s.FreeBytes), gib(s.TotalBytes)),
		fmt.Sprintf("%.0f %% busy", s.Utilisation*100),
	}
	if s.PowerWatts > 0 {
		parts = append(parts, fmt.Sprintf("%.0f of %.0f W", s.PowerWatts, s.PowerLimitWatts))
	}
	if s.ClockMHz > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d MHz", s.ClockMHz, s.MaxClockMHz))
	}
	if len(s.Throttle) > 0 {
		parts = append(parts, "slowed by "+strings.Join(s.Throttle, ", "))
	}
	return strings.Join(parts, ", ")
}

func gib(b uint64) string { return fmt.Sprintf("%.1f GiB", float64(b)/(1<<30)) }
