/* A stand-in for NVIDIA's management library with recorded answers. What goes
 * wrong is chosen when it is compiled: -DNO_DRIVER, -DMISMATCH, -DOLD, -DFULL,
 * -DNO_CARD, -DSTRIPPED; the card vanishes after VANISH memory readings, or once
 * the file that $STANDIN_LOST names exists. Where the stand-in of CUDA's module
 * (card.c) is loaded too, what that holds is missing from the free memory. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifndef VANISH
#define VANISH 1000000
#endif
typedef struct { unsigned long long total, free, used; } memory;
typedef struct { unsigned gpu, memory; } rates;
typedef struct { unsigned pid; unsigned long long used; unsigned gi, ci; } process;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, sub; char bus_id[32]; } pci;
static int ready, readings;
static char card;
static int lost(void) { const char *f = getenv("STANDIN_LOST"); return readings > VANISH || (f && access(f, F_OK) == 0); }
#define CHECK if (!ready) __builtin_trap(); if (lost()) return 15; if (d != &card) return 2

int nvmlInit_v2(void) {
#if defined NO_DRIVER
	return 9;
#elif defined MISMATCH
	return 18;
#endif
	ready++; /* as the real one counts */
	return 0;
}
int nvmlShutdown(void) { ready--; return 0; }
const char *nvmlErrorString(int c) { return c == 15 ? "GPU is lost" : c == 3 ? "Not Supported" : "Some Error"; }
#ifndef STRIPPED
int nvmlDeviceGetCount_v2(unsigned *n) {
#ifdef NO_CARD
	*n = 0;
#else
	*n = 1;
#endif
	return 0;
}
#endif
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { *d = &card; return i == 0 ? 0 : 2; }
int nvmlSystemGetDriverVersion(char *s, unsigned n) {
#ifdef OLD
	snprintf(s, n, "470.256.02");
#else
	snprintf(s, n, "580.159.04");
#endif
	return 0;
}
int nvmlSystemGetCudaDriverVersion_v2(int *v) {
#ifdef OLD
	*v = 11040;
#else
	*v = 13000;
#endif
	return 0;
}
int nvmlDeviceGetName(void *d, char *s, unsigned n) { CHECK; snprintf(s, n, "NVIDIA H200"); return 0; }
int nvmlDeviceGetUUID(void *d, char *s, unsigned n) { CHECK; snprintf(s, n, "GPU-8d4f0b1e-5c1a-4b7e-9a53-2f0c6b1d7e42"); return 0; }
int nvmlDeviceGetPciInfo_v3(void *d, pci *p) { CHECK; p->bus = 25; strcpy(p->bus_id, "00000000:19:00.0"); return 0; }
int nvmlDeviceGetCudaComputeCapability(void *d, int *a, int *b) { CHECK; *a = 9; *b = 0; return 0; }
static unsigned long long taken(void) {
	void *module = dlopen("libggml-cuda.so", RTLD_LAZY | RTLD_NOLOAD);
	size_t (*ask)(void) = module ? (size_t (*)(void)) dlsym(module, "standin_taken") : NULL;
	unsigned long long n = ask ? ask() : 0;
	if (module) dlclose(module);
	return n;
}
int nvmlDeviceGetMemoryInfo(void *d, memory *m) {
	readings++;
	CHECK;
	m->total = 150754820096ull;
#ifdef FULL
	m->free = 734003200ull;
#else
	m->free = 149000000000ull - taken();
#endif
	m->used = m->total - m->free;
	return 0;
}
int nvmlDeviceGetPowerUsage(void *d, unsigned *v) { CHECK; *v = 118250; return 0; }
int nvmlDeviceGetEnforcedPowerLimit(void *d, unsigned *v) { CHECK; *v = 700000; return 0; }
int nvmlDeviceGetClockInfo(void *d, int t, unsigned *v) { CHECK; *v = t == 1 ? 1980 : 3201; return 0; }
int nvmlDeviceGetMaxClockInfo(void *d, int t, unsigned *v) { CHECK; *v = t == 1 ? 1980 : 3201; return 0; }
int nvmlDeviceGetTemperature(void *d, int s, unsigned *v) { CHECK; *v = 36; return 0; }
int nvmlDeviceGetUtilizationRates(void *d, rates *r) { CHECK; r->gpu = 42; r->memory = 17; return 0; }
#ifndef OLD
int nvmlDeviceGetCurrentClocksEventReasons(void *d, unsigned long long *v) { CHECK; *v = 0x4 | 0x1; return 0; }
int nvmlDeviceGetTotalEnergyConsumption(void *d, unsigned long long *v) { CHECK; *v = 1000000ull + 1500ull * readings; return 0; }
int nvmlDeviceGetComputeRunningProcesses_v3(void *d, unsigned *n, process *p) {
	CHECK;
	p[0].pid = 4711;
	p[0].used = 7ull << 30;
	*n = 1;
	return 0;
}
#endif
