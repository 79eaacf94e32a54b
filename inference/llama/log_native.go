//go:build cgo

package llama

// #include "shim.h"
import "C"

import (
	"context"
	"log/slog"
	"strings"
	"sync"
)

// logText is the one buffer lines are taken through.
var (
	logMu   sync.Mutex
	logText [16384]C.char
)

// SetLogger sends what llama.cpp and ggml say to l; nil drops it. The library's
// log is one for the whole process. Its warnings and errors keep their level,
// its information arrives as Debug and its debugging below that. What l has
// enabled is asked once, here. Lines are collected in C and handed on at the end
// of the call that caused them, so that no C thread ever runs Go code.
func SetLogger(l *slog.Logger) {
	C.rp_init()
	lowest := 5
	if l != nil {
		for lowest > 1 && l.Enabled(context.Background(), logLevel(lowest-1)) {
			lowest--
		}
	}
	C.rp_log_level(C.int32_t(lowest))
	logger.Store(l)
}

// drainLog hands waiting lines to the logger.
func drainLog() {
	if C.rp_log_pending() == 0 {
		return
	}
	logMu.Lock()
	defer logMu.Unlock()
	var level C.int32_t
	for C.rp_log_take(&level, &logText[0], C.size_t(len(logText))) == 1 {
		if l := logger.Load(); l != nil {
			l.Log(context.Background(), logLevel(int(level)), strings.TrimSpace(C.GoString(&logText[0])), "from", "llama.cpp")
		}
	}
}
