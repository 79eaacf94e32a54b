package llama

import "strconv"

// HeadKind is how a draft head guesses.
type HeadKind string

// The heads of llama.cpp's common/speculative at the pin.
const (
	// EAGLE3 reads three layers' states and guesses token by token (Li et al. 2025,
	// "EAGLE-3: Scaling up Inference Acceleration of LLMs via Training-Time Test").
	EAGLE3 HeadKind = "eagle3"
	// MTP are a model's own layers for multi-token prediction (DeepSeek-AI 2024,
	// "DeepSeek-V3 Technical Report", 2.2).
	MTP HeadKind = "mtp"
	// DFlash guesses a block of tokens at once by denoising it (block diffusion).
	DFlash HeadKind = "dflash"
	// DSpark is DFlash whose tokens are chosen one after the other by a Markov head.
	DSpark HeadKind = "dspark"
)

// Block tells whether the head guesses all tokens of a draft at once, so that a
// short one costs what a long one does.
func (k HeadKind) Block() bool { return k == DFlash || k == DSpark }

// HeadParams is the size of a draft head.
type HeadParams struct {
	Most     int  // tokens of a draft, 1 … 64; 0 = 8
	Drafting int  // sequences that draft at once; 0 = ContextParams.Outputs, at most its Sequences
	OnDevice bool // its tokens are chosen where its logits are computed: right for a GPU
}

// Head is a context's draft head as it came to be.
type Head struct {
	Kind HeadKind
	Most int // tokens of a draft: no more than it was trained for
}

// Draft is a wish for guesses, one of a sequence each, and what came of it. The
// caller keeps it and reuses it.
type Draft struct {
	Seq  []SeqID // different ones
	Last []Token // the newest token of each, which is not in memory yet
	Pos  []Pos   // its position
	Most []int32 // guesses wanted
	// Results, by wish: none where the head has not read what comes before, as
	// behind a restored prefix or after FollowHead.
	Tokens [][]Token
	Probs  [][]float32 // what the head thinks of each token; −1 = it does not say

	count []int32
	out   []Token
	prob  []float32
}

// Reset empties the wishes and keeps the memory.
func (d *Draft) Reset() {
	d.Seq, d.Last, d.Pos, d.Most = d.Seq[:0], d.Last[:0], d.Pos[:0], d.Most[:0]
	d.Tokens, d.Probs = d.Tokens[:0], d.Probs[:0]
}

// Add appends a wish and returns its index.
func (d *Draft) Add(seq SeqID, last Token, pos Pos, most int) int {
	d.Seq, d.Last, d.Pos, d.Most = append(d.Seq, seq), append(d.Last, last), append(d.Pos, pos), append(d.Most, int32(most))
	return len(d.Seq) - 1
}

// HeadOf is the kind of draft head that a file's metadata speaks of, empty = it is a
// model of its own. Whether the library can compute it is AttachHead's answer.
func HeadOf(meta map[string]string) HeadKind {
	arch := meta["general.architecture"]
	switch arch {
	case "eagle3":
		return EAGLE3
	case "dflash":
		return DFlash
	}
	if n, err := strconv.Atoi(meta[arch+".nextn_predict_layers"]); err == nil && n > 0 {
		return MTP
	}
	return ""
}
