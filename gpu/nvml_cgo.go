//go:build cgo

package gpu

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The few calls of NVIDIA's management library that are used, by their
// documented signatures. Each is looked up when the library is opened and may be
// absent: an older driver's library then says less.
typedef struct { unsigned long long total, free, used; } rp_memory;
typedef struct { unsigned gpu, memory; } rp_rates;
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } rp_process;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, sub; char bus_id[32]; } rp_pci;

typedef struct {
	void *lib;
	int (*init)(void);
	int (*shutdown)(void);
	const char *(*text)(int);
	int (*driver)(char *, unsigned);
	int (*cuda)(int *);
	int (*count)(unsigned *);
	int (*handle)(unsigned, void **);
	int (*name)(void *, char *, unsigned);
	int (*uuid)(void *, char *, unsigned);
	int (*pci)(void *, rp_pci *);
	int (*capability)(void *, int *, int *);
	int (*memory)(void *, rp_memory *);
	int (*rates)(void *, rp_rates *);
	int (*power)(void *, unsigned *);
	int (*limit)(void *, unsigned *);
	int (*clock)(void *, int, unsigned *);
	int (*max_clock)(void *, int, unsigned *);
	int (*reasons)(void *, unsigned long long *);
	int (*energy)(void *, unsigned long long *);
	int (*temperature)(void *, int, unsigned *);
	int (*processes)(void *, unsigned *, rp_process *);
} rp_nvml;

static void *rp_sym(rp_nvml *n, const char *name, const char *older) {
	void *p = dlsym(n->lib, name);
	return p || !older ? p : dlsym(n->lib, older);
}

// Opens the library; NULL with a message when it is not there or is none.
static rp_nvml *rp_nvml_open(const char *path, char *msg, size_t cap) {
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		snprintf(msg, cap, "%s", dlerror());
		return NULL;
	}
	rp_nvml *n = calloc(1, sizeof *n);
	if (!n) {
		dlclose(lib);
		snprintf(msg, cap, "out of memory");
		return NULL;
	}
	n->lib         = lib;
	n->init        = rp_sym(n, "nvmlInit_v2", "nvmlInit");
	n->shutdown    = rp_sym(n, "nvmlShutdown", NULL);
	n->text        = rp_sym(n, "nvmlErrorString", NULL);
	n->driver      = rp_sym(n, "nvmlSystemGetDriverVersion", NULL);
	n->cuda        = rp_sym(n, "nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion");
	n->count       = rp_sym(n, "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount");
	n->handle      = rp_sym(n, "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex");
	n->name        = rp_sym(n, "nvmlDeviceGetName", NULL);
	n->uuid        = rp_sym(n, "nvmlDeviceGetUUID", NULL);
	n->pci         = rp_sym(n, "nvmlDeviceGetPciInfo_v3", NULL);
	n->capability  = rp_sym(n, "nvmlDeviceGetCudaComputeCapability", NULL);
	n->memory      = rp_sym(n, "nvmlDeviceGetMemoryInfo", NULL);
	n->rates       = rp_sym(n, "nvmlDeviceGetUtilizationRates", NULL);
	n->power       = rp_sym(n, "nvmlDeviceGetPowerUsage", NULL);
	n->limit       = rp_sym(n, "nvmlDeviceGetEnforcedPowerLimit", NULL);
	n->clock       = rp_sym(n, "nvmlDeviceGetClockInfo", NULL);
	n->max_clock   = rp_sym(n, "nvmlDeviceGetMaxClockInfo", NULL);
	n->reasons     = rp_sym(n, "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons");
	n->energy      = rp_sym(n, "nvmlDeviceGetTotalEnergyConsumption", NULL);
	n->temperature = rp_sym(n, "nvmlDeviceGetTemperature", NULL);
	n->processes   = rp_sym(n, "nvmlDeviceGetComputeRunningProcesses_v3", NULL);
	if (!n->init || !n->shutdown || !n->count || !n->handle || !n->memory) {
		snprintf(msg, cap, "the library lacks nvmlInit, nvmlDeviceGetCount, nvmlDeviceGetHandleByIndex or nvmlDeviceGetMemoryInfo: the driver is too old");
		dlclose(lib);
		free(n);
		return NULL;
	}
	return n;
}

static void rp_nvml_free(rp_nvml *n) {
	dlclose(n->lib);
	free(n);
}

// 13 is the library's own "function not found".
#define CALL(f, ...) (n->f ? n->f(__VA_ARGS__) : 13)
static int rp_init(rp_nvml *n) { return n->init(); }
static int rp_shutdown(rp_nvml *n) { return n->shutdown(); }
static const char *rp_text(rp_nvml *n, int code) { return n->text ? n->text(code) : NULL; }
static int rp_driver(rp_nvml *n, char *s, unsigned c) { return CALL(driver, s, c); }
static int rp_cuda(rp_nvml *n, int *v) { return CALL(cuda, v); }
static int rp_count(rp_nvml *n, unsigned *v) { return n->count(v); }
static int rp_handle(rp_nvml *n, unsigned i, uintptr_t *d) { void *h = NULL; int rc = n->handle(i, &h); *d = (uintptr_t) h; return rc; }
static int rp_name(rp_nvml *n, uintptr_t d, char *s, unsigned c) { return CALL(name, (void *) d, s, c); }
static int rp_uuid(rp_nvml *n, uintptr_t d, char *s, unsigned c) { return CALL(uuid, (void *) d, s, c); }
static int rp_pci_bus(rp_nvml *n, uintptr_t d, char *s, unsigned c) {
	rp_pci p;
	memset(&p, 0, sizeof p);
	int rc = CALL(pci, (void *) d, &p);
	if (rc == 0) snprintf(s, c, "%.32s", p.bus_id);
	return rc;
}
static int rp_capability(rp_nvml *n, uintptr_t d, int *a, int *b) { return CALL(capability, (void *) d, a, b); }
static int rp_get_memory(rp_nvml *n, uintptr_t d, rp_memory *m) { return n->memory((void *) d, m); }
static int rp_get_rates(rp_nvml *n, uintptr_t d, rp_rates *r) { return CALL(rates, (void *) d, r); }
static int rp_power(rp_nvml *n, uintptr_t d, unsigned *v) { return CALL(power, (void *) d, v); }
static int rp_limit(rp_nvml *n, uintptr_t d, unsigned *v) { return CALL(limit, (void *) d, v); }
static int rp_clock(rp_nvml *n, uintptr_t d, int t, unsigned *v) { return CALL(clock, (void *) d, t, v); }
static int rp_max_clock(rp_nvml *n, uintptr_t d, int t, unsigned *v) { return CALL(max_clock, (void *) d, t, v); }
static int rp_reasons(rp_nvml *n, uintptr_t d, unsigned long long *v) { return CALL(reasons, (void *) d, v); }
static int rp_energy(rp_nvml *n, uintptr_t d, unsigned long long *v) { return CALL(energy, (void *) d, v); }
static int rp_temperature(rp_nvml *n, uintptr_t d, unsigned *v) { return CALL(temperature, (void *) d, 0, v); }
static int rp_processes(rp_nvml *n, uintptr_t d, unsigned *c, rp_process *p) { return CALL(processes, (void *) d, c, p); }
*/
import "C"

import (
	"fmt"
	"unsafe"
)

// nvml is NVIDIA's management library, opened at run time: nothing is linked,
// and a program on a machine without a driver starts as well.
type nvml struct{ c *C.rp_nvml }

// openNVML opens the library at path and initialises it.
func openNVML(path string) (library, error) {
	cp := C.CString(path)
	defer C.free(unsafe.Pointer(cp))
	var msg [512]C.char
	c := C.rp_nvml_open(cp, &msg[0], C.size_t(len(msg)))
	if c == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoLibrary, C.GoString(&msg[0]))
	}
	n := &nvml{c}
	// Any other call before this one succeeds would end the process.
	if err := n.failure("nvmlInit", C.rp_init(c)); err != nil {
		C.rp_nvml_free(c)
		return nil, err
	}
	return n, nil
}

func (n *nvml) close() {
	C.rp_shutdown(n.c)
	C.rp_nvml_free(n.c)
}

func (n *nvml) failure(doing string, code C.int) error {
	if code == 0 {
		return nil
	}
	text := ""
	if p := C.rp_text(n.c, code); p != nil {
		text = C.GoString(p)
	}
	return &CallError{Call: doing, Code: int(code), Text: text}
}

func (n *nvml) driver() (version string, cuda int, err error) {
	var s [96]C.char
	if err := n.failure("nvmlSystemGetDriverVersion", C.rp_driver(n.c, &s[0], C.uint(len(s)))); err != nil {
		return "", 0, err
	}
	var v C.int
	err = n.failure("nvmlSystemGetCudaDriverVersion", C.rp_cuda(n.c, &v))
	return C.GoString(&s[0]), int(v), err
}

func (n *nvml) count() (int, error) {
	var v C.uint
	err := n.failure("nvmlDeviceGetCount", C.rp_count(n.c, &v))
	return int(v), err
}

func (n *nvml) device(i int) (handle uintptr, d Device, err error) {
	var h C.uintptr_t
	if err := n.failure("nvmlDeviceGetHandleByIndex", C.rp_handle(n.c, C.uint(i), &h)); err != nil {
		return 0, d, err
	}
	var s [128]C.char
	text := func(code C.int) string {
		if code != 0 {
			return ""
		}
		return C.GoString(&s[0])
	}
	d.Index = i
	d.Name = text(C.rp_name(n.c, h, &s[0], C.uint(len(s))))
	d.UUID = text(C.rp_uuid(n.c, h, &s[0], C.uint(len(s))))
	d.PCI = text(C.rp_pci_bus(n.c, h, &s[0], C.uint(len(s))))
	var major, minor C.int
	if C.rp_capability(n.c, h, &major, &minor) == 0 {
		d.Capability = fmt.Sprintf("%d.%d", major, minor)
	}
	d.TotalBytes, d.FreeBytes, err = n.memory(uintptr(h))
	return uintptr(h), d, err
}

func (n *nvml) memory(h uintptr) (total, free uint64, err error) {
	var m C.rp_memory
	err = n.failure("nvmlDeviceGetMemoryInfo", C.rp_get_memory(n.c, C.uintptr_t(h), &m))
	return uint64(m.total), uint64(m.free), err
}

// sample reads everything that changes. What the driver cannot tell stays zero;
// only a failure to read the memory is an error, since that always can.
func (n *nvml) sample(h uintptr) (s Sample, err error) {
	d := C.uintptr_t(h)
	if s.TotalBytes, s.FreeBytes, err = n.memory(h); err != nil {
		return s, err
	}
	var r C.rp_rates
	if C.rp_get_rates(n.c, d, &r) == 0 {
		s.Utilisation, s.MemoryUtilisation = float64(r.gpu)/100, float64(r.memory)/100
	}
	var v C.uint
	if C.rp_power(n.c, d, &v) == 0 {
		s.PowerWatts = float64(v) / 1000
	}
	if C.rp_limit(n.c, d, &v) == 0 {
		s.PowerLimitWatts = float64(v) / 1000
	}
	const sm, mem = 1, 2 // NVML_CLOCK_SM, NVML_CLOCK_MEM
	if C.rp_clock(n.c, d, sm, &v) == 0 {
		s.ClockMHz = int(v)
	}
	if C.rp_max_clock(n.c, d, sm, &v) == 0 {
		s.MaxClockMHz = int(v)
	}
	if C.rp_clock(n.c, d, mem, &v) == 0 {
		s.MemoryClockMHz = int(v)
	}
	if C.rp_temperature(n.c, d, &v) == 0 {
		s.Celsius = int(v)
	}
	var wide C.ulonglong
	if C.rp_reasons(n.c, d, &wide) == 0 {
		s.Throttle = throttleNames(uint64(wide))
	}
	if C.rp_energy(n.c, d, &wide) == 0 {
		s.EnergyJoules = float64(wide) / 1000
	}
	var list [64]C.rp_process
	count := C.uint(len(list))
	if C.rp_processes(n.c, d, &count, &list[0]) == 0 {
		for _, p := range list[:min(int(count), len(list))] {
			s.Processes = append(s.Processes, Process{PID: int(p.pid), Bytes: uint64(p.used)})
		}
	}
	return s, nil
}

// Preload opens a library by absolute path for the whole process, so that
// others which name it without a path find it. It is never closed. The error is
// the loader's own text, which names what a library lacks in turn.
func Preload(path string) error {
	cp := C.CString(path)
	defer C.free(unsafe.Pointer(cp))
	if C.dlopen(cp, C.RTLD_NOW|C.RTLD_GLOBAL) == nil {
		return fmt.Errorf("gpu: opening %s: %s", path, C.GoString(C.dlerror()))
	}
	return nil
}
