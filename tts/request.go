package tts

import "time"

// Formats and pauses a Request may name.
const (
	FormatMP3  = "mp3"
	FormatWAV  = "wav"
	FormatPCM  = "pcm"
	FormatOpus = "opus"
	FormatFLAC = "flac"
	FormatULaw = "ulaw"

	PauseNatural = "natural"
	PauseNone    = "none"
)

// Request is one text to be spoken. The zero value of every field but Text is
// valid and means the default.
type Request struct {
	// Text is what to say, UTF-8, at most Config.MaxText bytes. Invalid UTF-8
	// is replaced, markup characters and emoji are not read out.
	Text string
	// Voice is a name out of Service.Voices or an alias; empty = the default.
	Voice string
	// Speaker picks a speaker of a multi-speaker voice by name or number.
	Speaker string
	// Format is one of the Format constants; empty = mp3.
	Format string
	// Speed is 0.25 … 4; 2 halves the length of the words; 0 = 1.
	Speed float64
	// Pause is PauseNatural (default) or PauseNone.
	Pause string
	// SampleRate of the result in Hz, 8000 … 48000; 0 = the voice's own (opus:
	// 24000 or 48000; ulaw: 8000).
	SampleRate int
	// Seed varies the reading; the same request with the same seed gives the
	// same bytes.
	Seed uint64
	// Whole says that the caller takes the result in one piece: formats whose
	// header holds the length (wav, flac, mp3) then have the right one.
	Whole bool
	// Lexicon replaces words (matched without regard to case) before the text
	// is normalised; a value between slashes is phonemes, "/fəˈniːm/".
	Lexicon map[string]string
	// SSML reads Text as the supported subset of SSML when it starts with
	// "<speak"; false = the text is taken as it stands.
	SSML bool
	// Timestamps asks for Captions, which not every voice can give.
	Timestamps bool
	// Checkpoints asks for Speech.Checkpoints, by which a long text can be gone on
	// with later: From, the Pieces of the last one that counts, leaves out what was
	// spoken. The samples are those of the whole. Format must be pcm, SampleRate 0
	// and Whole true.
	Checkpoints bool
	From        int
	// Batch lets interactive requests go first.
	Batch bool
}

// Voice describes a resident voice.
type Voice struct {
	Name       string   `json:"name"`
	Family     string   `json:"family"` // piper, kokoro, mms, kitten, supertonic
	Language   string   `json:"language"`
	SampleRate int      `json:"sample_rate"`
	Licence    string   `json:"licence"`
	Speakers   []string `json:"speakers,omitempty"`
	// Device says where inference runs: cpu or cuda. DeviceWhy says what spoke for
	// it: measured times, or what CUDA lacks.
	Device    string `json:"device"`
	DeviceWhy string `json:"device_why,omitempty"`
}

// SpeechInfo is known before the first byte of audio.
type SpeechInfo struct {
	Voice       string // the resident voice's name, aliases resolved
	Format      string
	ContentType string // for the HTTP header of the same name
	SampleRate  int    // of the encoded audio, Hz
	CacheHit    bool
}

// Timings of one speech, wall time unless noted. Text and Inference together
// are what a Server-Timing header calls tts.
type Timings struct {
	Text      time.Duration // normalising, splitting and phonemes, unless inferred meanwhile
	Queue     time.Duration // waiting for the voice
	Inference time.Duration // in the runtime
	Encode    time.Duration // resampling and encoding
	First     time.Duration // Say → first bytes ready
	Total     time.Duration // Say → last bytes ready
	Audio     time.Duration // length of the audio made
	Clauses   int           // inferences it took
}

// Checkpoint is a place in a speech from which another one can go on.
type Checkpoint struct {
	Pieces   int      // of the text, all spoken
	Samples  int64    // made so far, from the beginning of this speech
	Captions Captions // of what was spoken since the checkpoint before
	Final    bool     // nothing is left to speak
}

// Clause is a piece of speech with the text it covers.
type Clause struct {
	Text       string // as it stood in the input
	PCM        []int16
	SampleRate int
	// Audio is the length of everything spoken so far, this clause included.
	Audio time.Duration
	// Final says that all of its text has been spoken; PCM may then be empty. False
	// = more audio for it follows.
	Final bool
}
