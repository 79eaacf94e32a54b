package tts

import (
	"context"
	"log/slog"
	"time"

	"repartee/cpuset"
)

// VoiceSpec names a voice file to keep resident.
type VoiceSpec struct {
	Name string // the name on the API
	Path string // .onnx file; its configuration lies beside it
	// Licence as shown in lists; empty = what the files beside the voice say.
	Licence string
}

// Card is a GPU that others compute on too. Enter waits until it is the caller's,
// or for the end of ctx; deadline is when the inference should be done.
type Card interface {
	Enter(ctx context.Context, deadline time.Time) error
	Leave()
}

// Config of a Service. Paths come from the caller: the package looks nothing up.
type Config struct {
	// Voices to load; the first is the default. At least one.
	Voices []VoiceSpec
	// Aliases are further names for voices (alias → name); an alias with an
	// empty name means the default voice.
	Aliases map[string]string
	// Runtime is the path of libonnxruntime.so.
	Runtime string
	// Phonemizer is the helper program, EspeakLibrary and EspeakData (the
	// espeak-ng-data directory) what it loads.
	Phonemizer    string
	EspeakLibrary string
	EspeakData    string
	// Threads an inference uses; 0 = physical cores, at most 4.
	Threads int
	// CPUs are those that inference runs on, but for CUDA's; empty = any.
	CPUs cpuset.Set
	// Device is auto, cpu or cuda; empty = auto. With auto each voice goes where
	// it is faster, and to the CPU when CUDA is missing something or wrong.
	Device string
	CUDA   CUDA
	// Card is the GPU that voices on CUDA share with others; nil = with nobody.
	Card Card
	// CacheBytes bounds the finished speech in memory; 0 = no cache.
	CacheBytes int64
	// CacheDir, when set, is a folder for finished speech that outlives the
	// process, at most CacheDisk bytes of it. Build tells this version of the
	// program from others, whose speech is not taken for its own.
	CacheDir  string
	CacheDisk int64
	Build     string
	// MaxQueue is the most speeches waiting or running; 0 = 64.
	MaxQueue int
	// MaxText is the longest text of a request in bytes; 0 = 1 MiB.
	MaxText int
	// Busy, when set, is told when inference starts (true) and when the last
	// running one has ended (false). It must return at once; calls are ordered.
	Busy func(active bool)
	// Crowded, when set, tells whether other work of the process wants the
	// processor: inference then leaves it a core. It must return at once.
	Crowded func() bool
	// Logger gets load and fault reports, never texts; nil = discard.
	Logger *slog.Logger
}
