package llama

import (
	"log/slog"
	"sync/atomic"
)

// logger is where the library's lines go; nil drops them.
var logger atomic.Pointer[slog.Logger]

// logLevel maps the shim's levels. The library tells a lot while it loads, so
// its information is our debugging.
func logLevel(level int) slog.Level {
	switch level {
	case 4:
		return slog.LevelError
	case 3:
		return slog.LevelWarn
	case 2:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}
