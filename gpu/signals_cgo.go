//go:build cgo

package gpu

/*
#include <signal.h>
#include <string.h>

static struct sigaction rp_saved[65];

static void rp_signals_save(void) {
	for (int s = 1; s < 65; s++) {
		if (sigaction(s, NULL, &rp_saved[s]) != 0) memset(&rp_saved[s], 0, sizeof rp_saved[s]);
	}
}

// Puts back what another library has replaced; returns how many it were.
static int rp_signals_restore(void) {
	int n = 0;
	for (int s = 1; s < 65; s++) {
		struct sigaction now;
		if (s == SIGKILL || s == SIGSTOP || sigaction(s, NULL, &now) != 0) continue;
		if (now.sa_sigaction == rp_saved[s].sa_sigaction) continue;
		if (sigaction(s, &rp_saved[s], NULL) == 0) n++;
	}
	return n;
}
*/
import "C"

import "sync"

var signals sync.Mutex

// KeepSignals runs f and puts back the signal handlers that libraries have
// replaced meanwhile: CUDA's do not run on a stack of their own, upon which Go
// panics when a signal comes. It says how many it put back.
func KeepSignals(f func()) int {
	signals.Lock()
	defer signals.Unlock()
	C.rp_signals_save()
	f()
	return int(C.rp_signals_restore())
}
