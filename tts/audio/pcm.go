package audio

import "math"

// grow makes room for n more bytes behind dst.
func grow(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	bigger := make([]byte, len(dst), max(2*cap(dst), len(dst)+n))
	copy(bigger, dst)
	return bigger
}

// knee is where Soft starts to bend, below full scale.
const knee = 0.8

// Soft limits a sample to ]-1, 1[: straight up to the knee, then ever flatter,
// so that loud places are rounded and never cut.
func Soft(x float32) float32 {
	a := float64(x)
	switch {
	case a > knee:
		return float32(knee + (1-knee)*math.Tanh((a-knee)/(1-knee)))
	case a < -knee:
		return float32(-knee + (1-knee)*math.Tanh((a+knee)/(1-knee)))
	case a != a:
		return 0
	}
	return x
}

// Int16 appends samples in [-1, 1] as 16-bit numbers.
func Int16(dst []int16, s []float32) []int16 {
	for _, x := range s {
		v := math.RoundToEven(float64(x) * 32767)
		if v != v {
			v = 0
		}
		dst = append(dst, int16(max(min(v, 32767), -32768)))
	}
	return dst
}

// Loudness is the root mean square of the parts of s that are not silence, and
// its peak.
func Loudness(s []float32, rate int) (rms, peak float64) {
	block := max(rate/50, 1)
	sum, n := 0.0, 0
	for len(s) > 0 {
		b := s[:min(block, len(s))]
		s = s[len(b):]
		e := 0.0
		for _, x := range b {
			e += float64(x) * float64(x)
			peak = max(peak, math.Abs(float64(x)))
		}
		if e/float64(len(b)) > 1e-4 { // louder than -40 dB
			sum += e
			n += len(b)
		}
	}
	if n == 0 {
		return 0, peak
	}
	return math.Sqrt(sum / float64(n)), peak
}
