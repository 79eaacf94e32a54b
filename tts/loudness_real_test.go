package tts

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"
	"time"

	"repartee/tts/audio"
)

// The clauses of a long text are about equally loud.
func TestRealLoudnessIsEven(t *testing.T) {
	s := realService(t, 0)
	const text = "At the end of the day, the old captain remembers the white lighthouse. A friendly dog waits beside the wooden boat! " +
		"Does the night train keep a letter from abroad? The village school, which stands near the narrow bridge, has never forgotten the first winter storm. " +
		"Yes. Our neighbour slowly walks past an empty market square; nobody is looking for him. It costs $3.50. " +
		"In the middle of the night, a quiet river dreams of the blue mountains, and my grandmother returns to a song of the sea."
	for _, whole := range []bool{false, true} {
		pcm, p := say(t, s, Request{Text: text, Format: FormatPCM, Whole: whole, Timestamps: true})
		samples := make([]float32, len(pcm)/2)
		for i := range samples {
			samples[i] = float32(int16(binary.LittleEndian.Uint16(pcm[2*i:]))) / 32768
		}
		rate := p.Info().SampleRate
		at := func(d time.Duration) int { return min(int(d.Seconds()*float64(rate)), len(samples)) }
		var levels []float64
		for _, c := range p.Captions().Clauses {
			rms, _ := audio.Loudness(samples[at(c.Start):at(c.End)], rate)
			levels = append(levels, 20*math.Log10(rms))
			t.Logf("%6.1f dB  %v  %s", levels[len(levels)-1], (c.End - c.Start).Round(time.Millisecond), c.Text)
		}
		if len(levels) < 8 {
			t.Fatalf("%d clauses, want at least 8", len(levels))
		}
		if low, high := slices.Min(levels), slices.Max(levels); high-low > 2 {
			t.Errorf("the clauses, whole %v, are from %.1f to %.1f dB loud, want them within 2 dB", whole, low, high)
		}
	}
}
