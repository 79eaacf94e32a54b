//go:build cgo

package llama

import "testing"

// referenceSampler makes a sampler that asks llama.cpp's own one.
func referenceSampler(tb testing.TB, m *Model, p SamplingParams) *Sampler {
	tb.Helper()
	s, err := m.newSampler(p, true)
	if err != nil {
		tb.Fatalf("newSampler(%+v, reference) = %v", p, err)
	}
	tb.Cleanup(s.Close)
	return s
}

func withTemplate(tb testing.TB, m *Model, source string) *Model {
	tb.Helper()
	if err := m.setTemplate(source); err != nil {
		tb.Fatalf("setTemplate = %v", err)
	}
	return m
}

func trySetTemplate(m *Model, source string) error { return m.setTemplate(source) }

// seal makes the checksums of a saved piece right.
func seal(c *Context, data []byte, p0, p1 Pos) { sealState(data, c.fingerprint(), p0, p1) }
