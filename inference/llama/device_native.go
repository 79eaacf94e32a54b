//go:build cgo

package llama

// #include "shim.h"
import "C"

// Devices lists the compute devices that the library sees, the CPU among them.
func Devices() []DeviceInfo {
	var raw [64]C.rp_device
	n := min(int(C.rp_devices(&raw[0], C.int32_t(len(raw)))), len(raw))
	out := make([]DeviceInfo, n)
	for i, d := range raw[:n] {
		out[i] = DeviceInfo{
			Name:        C.GoString(&d.name[0]),
			Description: C.GoString(&d.description[0]),
			Kind:        [...]string{"cpu", "gpu", "igpu", "accel"}[d.kind],
			FreeBytes:   uint64(d.free_bytes),
			TotalBytes:  uint64(d.total_bytes),
		}
	}
	return out
}

// Version is the version of the llama.cpp inside.
func Version() string { return C.GoString(C.rp_version()) }

// Build names what the native part was built from: pins, patches, shim, flags,
// compiler and processor. What was measured with another one need not hold.
func Build() string { return nativeBuild }

// SystemInfo is the library's own line about the CPU features it uses.
func SystemInfo() string {
	C.rp_init()
	return C.GoString(C.rp_system_info())
}
