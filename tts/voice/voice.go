package voice

import (
	"context"
	"log/slog"
	"time"

	"repartee/cpuset"
	"repartee/tts/onnx"
)

// Info describes a loaded voice.
type Info struct {
	Family     string
	Language   string // BCP 47 where the voice says so, "en-US"
	Licence    string // empty = not known
	SampleRate int    // Hz
	Speakers   []string
	// Characters says that the voice reads letters; otherwise it reads the
	// phonemes that espeak-ng gives for Espeak.
	Characters bool
	Espeak     string
	// Accents is what Espeak is for each speaker, where they differ.
	Accents []string
	// Blends says that speakers can be mixed.
	Blends bool
	// Timed says that Speak returns marks.
	Timed bool
	// Cores is how many one use of the runtime keeps busy; 0 = 1.
	Cores int
	// Lines is how many utterances of one speech are worth making at once; 0 = 1.
	Lines int
	// Slowest and Fastest are the speeds between which the family speaks well and
	// to the length; beyond them its sound is stretched. 0 = no bound.
	Slowest, Fastest float64
	// MaxUnits is the most phonemes or characters of one utterance.
	MaxUnits int
	Device   string // cpu or cuda
}

// Utterance is what to say in one go: one clause or sentence.
type Utterance struct {
	Units   string // phonemes or characters, punctuation included
	Speed   float64
	Seed    uint64
	Speaker Speaker
	// Stream asks for the first samples early at some cost in total.
	Stream bool
	// Spread says that nothing else of the same request can be made beside it:
	// it is divided among the threads further, at some cost in total.
	Spread bool
}

// Mark places one unit of an utterance in time, counted from the utterance's
// first sample. Word is the number of the space-separated run of Units in which
// the unit stands, from 0.
type Mark struct {
	Unit       string
	Word       int
	Start, End time.Duration
}

// Gate runs f when the runtime has room for it. The service's fair queue is
// one; weight is the number of threads f keeps busy.
type Gate func(ctx context.Context, f func() error) error

// Voice makes speech. Any goroutine may call Speak, several at once.
type Voice interface {
	Info() Info
	// Speak calls emit with samples in [-1, 1] in order; they are the
	// callee's from then on. Every use of the runtime goes through gate.
	// Marks are nil when the family does not give durations.
	Speak(ctx context.Context, u Utterance, gate Gate, emit func([]float32) error) ([]Mark, error)
	Close()
}

// Options of Load.
type Options struct {
	Threads int
	CPUs    cpuset.Set // that inference runs on; empty = any
	CUDA    bool
	Licence string
	// Logger is told when a voice is run otherwise than hoped for; nil = discard.
	Logger *slog.Logger
}

func (o Options) log() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

func (o Options) device() string {
	if o.CUDA {
		return "cuda"
	}
	return "cpu"
}

func (o Options) session(threads int) onnx.Options {
	return onnx.Options{Threads: threads, CPUs: o.CPUs, CUDA: o.CUDA}
}
