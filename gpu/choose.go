package gpu

import (
	"errors"
	"fmt"
	"strings"
)

// DeviceMode is what --device says.
type DeviceMode string

// The modes: auto takes a GPU where everything for it is there and the CPU
// elsewhere; cpu never touches a GPU; cuda refuses to do without one.
const (
	Auto DeviceMode = "auto"
	CPU  DeviceMode = "cpu"
	CUDA DeviceMode = "cuda"
)

// ErrNoCUDA means that --device cuda was asked for and cannot be had.
var ErrNoCUDA = errors.New("gpu: CUDA cannot be used")

// minCUDA is the oldest CUDA version of a driver that runs what is built here.
const minCUDA = 13000

// Found is everything that the choice of a device depends on.
type Found struct {
	Built      bool      // the program has a CUDA flavour of llama.cpp beside it
	DriverCUDA int       // newest CUDA version of the driver, 13000 for 13.0; 0 = no driver
	Driver     string    // driver version
	Devices    []Device  // that the driver lists
	Libraries  []Library // as CUDALibraries found them
	Err        error     // why there are no devices
}

// Look gathers what there is. The first folders are searched before others.
func Look(t *Telemetry, built bool, first ...string) Found {
	version, cuda := t.Driver()
	return Found{Built: built, DriverCUDA: cuda, Driver: version, Devices: t.Devices(), Libraries: CUDALibraries(first...), Err: t.Err()}
}

// Choice is the outcome: whether CUDA is used, on which device, and one line
// that says why.
type Choice struct {
	CUDA   bool
	Device Device
	Why    string
}

// Choose decides by the mode; the error wraps ErrNoCUDA and holds the one line
// that says what is missing. uuid picks a device, empty takes the one with most
// free memory.
func (f Found) Choose(mode DeviceMode, uuid string) (Choice, error) {
	if mode == CPU {
		return Choice{Why: "the CPU, as asked for"}, nil
	}
	d, why := f.usable(uuid)
	if why == "" {
		return Choice{CUDA: true, Device: d, Why: fmt.Sprintf("%s (%s), %s free of %s, driver %s", d.Name, d.UUID, gib(d.FreeBytes), gib(d.TotalBytes), f.Driver)}, nil
	}
	if mode == CUDA {
		return Choice{}, fmt.Errorf("%w: %s", ErrNoCUDA, why)
	}
	return Choice{Why: "the CPU, because " + why}, nil
}

// usable returns the device, or why there is none. The order is that in which a
// person would put things right.
func (f Found) usable(uuid string) (Device, string) {
	switch {
	case !f.Built:
		return Device{}, "this program was built without CUDA (\"make cuda\" builds it with)"
	case f.Driver == "" && f.Err != nil:
		return Device{}, strings.TrimPrefix(f.Err.Error(), "gpu: ")
	case f.DriverCUDA < minCUDA:
		return Device{}, fmt.Sprintf("driver %s runs CUDA up to %d.%d and 13.0 is needed: install driver 580 or newer", f.Driver, f.DriverCUDA/1000, f.DriverCUDA%1000/10)
	case len(f.Devices) == 0 && f.Err != nil:
		return Device{}, strings.TrimPrefix(f.Err.Error(), "gpu: ")
	case len(f.Devices) == 0:
		return Device{}, "the driver lists no GPU"
	}
	if missing := Missing(f.Libraries, false); len(missing) > 0 {
		return Device{}, "the CUDA libraries " + strings.Join(missing, ", ") + " are missing (\"repartee doctor\" says where they were looked for)"
	}
	best := -1
	for i, d := range f.Devices {
		if uuid != "" && d.UUID != uuid {
			continue
		}
		if best < 0 || d.FreeBytes > f.Devices[best].FreeBytes {
			best = i
		}
	}
	if best < 0 {
		var have []string
		for _, d := range f.Devices {
			have = append(have, d.UUID)
		}
		return Device{}, fmt.Sprintf("there is no GPU %q, only %s", uuid, strings.Join(have, ", "))
	}
	return f.Devices[best], ""
}
