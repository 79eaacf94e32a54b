package voice

import (
	"context"
	"testing"
)

// BenchmarkKokoro is one utterance of 24 and one of 101 phonemes; the peer's
// figures are those of kokoro-onnx's create with the same phonemes.
func BenchmarkKokoro(b *testing.B) {
	v := loadKokoro(b)
	s, err := v.Info().Speaker("af_heart")
	if err != nil {
		b.Fatal(err)
	}
	for name, units := range map[string]string{"short": hello, "medium": quick} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := v.Speak(context.Background(), Utterance{Units: units, Speed: 1, Speaker: s}, free, func([]float32) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
